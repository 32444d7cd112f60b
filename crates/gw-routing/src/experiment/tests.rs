use super::{Arm, Delivered, Experiment, GuardRail, Rules, Verdict};

/// splitmix64: reproducible outcomes.
struct Dice(u64);

impl Dice {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn happens(&mut self, rate: f64) -> f64 {
        f64::from(u8::from(self.unit() < rate))
    }
}

fn experiment() -> Experiment {
    Experiment { name: "cheaper-l1".into(), treatment_bp: 5_000, exposure_bp: 10_000 }
}

/// Looks after every pair of outcomes; gives the first decision.
fn run(dice: &mut Dice, control_rate: f64, treatment_rate: f64, pairs: u32) -> Verdict {
    let (mut control, mut treatment) = (Delivered::default(), Delivered::default());
    for _ in 0..pairs {
        control.observe(dice.happens(control_rate));
        treatment.observe(dice.happens(treatment_rate));
        let verdict = Rules::default().read(&control, &treatment).verdict;
        if verdict != Verdict::Undecided {
            return verdict;
        }
    }
    Verdict::Undecided
}

#[test]
fn a_thousand_experiments_without_a_difference_keep_the_error_rate() {
    let mut dice = Dice(11);
    let decided =
        (0..1_000).filter(|_| run(&mut dice, 0.7, 0.7, 2_000) != Verdict::Undecided).count();
    // 5 % are allowed over the whole life, at 2,000 looks each.
    assert!(decided <= 50, "{decided} of 1,000 were decided");
}

#[test]
fn a_real_difference_is_found_and_rarely_the_wrong_way() {
    let mut dice = Dice(12);
    let verdicts: Vec<Verdict> = (0..200).map(|_| run(&mut dice, 0.70, 0.76, 6_000)).collect();
    let count = |wanted: Verdict| verdicts.iter().filter(|verdict| **verdict == wanted).count();
    assert!(count(Verdict::Better) >= 180, "found in {} of 200", count(Verdict::Better));
    assert!(count(Verdict::Worse) <= 2, "wrong in {} of 200", count(Verdict::Worse));
}

#[test]
fn a_unit_stays_in_its_arm_and_arms_have_their_share() {
    let experiment = experiment();
    let mut treated = 0;
    for user in 0..10_000 {
        let unit = format!("user-{user}");
        let arm = experiment.arm(&unit);
        assert_eq!(arm, experiment.arm(&unit));
        treated += u32::from(arm == Some(Arm::Treatment));
    }
    assert!((4_800..=5_200).contains(&treated), "{treated}");
}

#[test]
fn a_roll_out_never_moves_anyone_between_arms() {
    let wide = experiment();
    let narrow = Experiment { exposure_bp: 1_000, ..experiment() };
    let mut inside = 0;
    for user in 0..5_000 {
        let unit = format!("user-{user}");
        if let Some(arm) = narrow.arm(&unit) {
            inside += 1;
            assert_eq!(wide.arm(&unit), Some(arm));
        }
    }
    assert!((400..=600).contains(&inside), "{inside}");
}

#[test]
fn a_guard_rail_stops_what_costs_too_much() {
    let mut dice = Dice(13);
    let (mut control, mut treatment) = (Delivered::default(), Delivered::default());
    for _ in 0..2_000 {
        control.observe(0.10 + 0.02 * dice.unit());
        treatment.observe(0.20 + 0.02 * dice.unit());
    }
    let rail = GuardRail { rise_max: 0.2, rules: Rules { difference: 0.02, ..Rules::default() } };
    assert!(rail.is_breached(&control, &treatment));
    assert!(!rail.is_breached(&control, &control));
}

#[test]
fn too_little_is_undecided_and_no_number_is_left_out() {
    let mut few = Delivered::default();
    few.observe(1.0);
    few.observe(f64::NAN);
    assert_eq!(few.count, 1);
    let reading = Rules::default().read(&few, &few);
    assert_eq!(reading.verdict, Verdict::Undecided);
}
