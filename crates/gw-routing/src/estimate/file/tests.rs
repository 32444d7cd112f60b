use super::super::{
    Calibration, Estimates, Estimator, Guard, Labelled, Linear, Means, Neighbours, Node, Trees,
};
use crate::signal::{BUCKETS, COUNTS, Signals, tag_of_words};

fn estimator() -> Estimator {
    let texts = ["how many apples are left", "write a function in rust", "capital of france"];
    let signals: Vec<Signals> =
        texts.iter().map(|text| Signals::of(text, Some(tag_of_words("t")))).collect();
    let mut quality = Means::new(vec![0.5, 0.5]);
    let mut tokens = Means::new(vec![100.0, 100.0]);
    for (at, signals) in signals.iter().enumerate() {
        for model in 0..2 {
            quality.add(signals.tag, signals.class, model, f32::from(u8::from(at != model)));
            tokens.add(signals.tag, signals.class, model, 40.0);
        }
    }
    let mut weights = vec![0.0; BUCKETS * 2];
    weights[6] = 0.25;
    let residuals = [[0.1_f32, -0.1], [0.2, 0.0], [0.0, 0.3]];
    let rows: Vec<Labelled<'_>> = signals
        .iter()
        .zip(&residuals)
        .map(|(signals, residual)| Labelled { words: &signals.words, residual })
        .collect();
    let leaf = |next| Node { count: u16::try_from(COUNTS).unwrap(), above: 0, next };
    let nodes = vec![Node { count: 0, above: 30, next: 1 }, leaf(0), leaf(1)];
    Estimator {
        trees: Trees::new(2, nodes, vec![0], vec![0.05, -0.05, 0.1, 0.0]),
        models: vec!["cheap".into(), "dear".into()],
        kept: vec![true, true],
        quality,
        tokens,
        linear: Linear::new(2, weights, vec![0.01, 0.02]),
        neighbours: Some(Neighbours::new(2, &rows, 1.0)),
        guard: Guard { strange: 0.0, familiar: 0.2 },
        calibration: vec![Calibration { slope: 1.1, shift: 0.1 }; 2],
    }
}

#[test]
fn what_is_written_is_read_back_and_estimates_the_same() {
    let written = estimator();
    let bytes = written.to_bytes();
    let read = Estimator::from_bytes(&bytes).expect("own bytes");
    assert_eq!(read.to_bytes(), bytes);
    let signals = Signals::of("how many apples does a function have", Some(tag_of_words("t")));
    let (mut one, mut other) = (Estimates::default(), Estimates::default());
    written.estimate(&signals, &mut one);
    read.estimate(&signals, &mut other);
    assert_eq!(one.success, other.success);
    assert!(one.is_known_tag && one.familiarity > 0.0);
}

#[test]
fn a_cut_or_changed_file_is_refused_or_read_but_never_panics() {
    let bytes = estimator().to_bytes();
    for end in (0..bytes.len()).step_by(7) {
        assert!(Estimator::from_bytes(&bytes[..end]).is_err(), "cut at {end}");
    }
    for at in (0..bytes.len()).step_by(5) {
        let mut changed = bytes.clone();
        changed[at] ^= 0xff;
        if let Ok(read) = Estimator::from_bytes(&changed) {
            read.estimate(&Signals::of("how many apples", None), &mut Estimates::default());
        }
    }
}

#[test]
fn a_tag_that_was_never_learned_falls_back_to_the_overall_means() {
    let estimator =
        Estimator { calibration: Vec::new(), ..Estimator { trees: None, ..estimator() } };
    let mut found = Estimates::default();
    let text = "how many apples are left";
    estimator.estimate(&Signals::of(text, Some(tag_of_words("new"))), &mut found);
    assert!(!found.is_known_tag);
    for model in 0..2 {
        assert!((found.success[model] - estimator.quality.overall(model)).abs() < 1e-6);
    }
    estimator.estimate(&Signals::of(text, None), &mut found);
    // Likeness is averaged over ten neighbours, of which three exist: familiar, but not wholly.
    assert!((0.3..1.0).contains(&found.familiarity), "{}", found.familiarity);
}
