use proptest::prelude::{ProptestConfig, prop_assert, proptest};

use super::{Figure, Hull, Point, calibration_error};

fn point(cost: f64, quality: f64) -> Point {
    Point { cost, quality }
}

#[test]
fn the_hull_mixes_what_lies_on_it_and_leaves_out_the_rest() {
    let hull = Hull::of(&[point(1.0, 0.5), point(2.0, 0.55), point(3.0, 0.9), point(4.0, 0.8)]);
    assert_eq!(hull.points(), [point(1.0, 0.5), point(3.0, 0.9)]);
    assert!((hull.quality_at(2.0) - 0.7).abs() < 1e-12);
    assert!((hull.quality_at(9.0) - 0.9).abs() < 1e-12);
    assert!(hull.cost_for(0.7).is_some_and(|cost| (cost - 2.0).abs() < 1e-9));
    assert_eq!(hull.cost_for(0.4), Some(1.0));
    assert_eq!(hull.cost_for(0.95), None);
    assert!((hull.area(1.0, 3.0) - 0.7).abs() < 1e-12);
    assert!((hull.area(1.0, 5.0) - 0.8).abs() < 1e-12);
}

#[test]
fn calibration_error_is_nothing_for_kept_promises() {
    let kept = (0..100).map(|at| (0.25, if at % 4 == 0 { 1.0 } else { 0.0 }));
    assert!(calibration_error(kept) < 1e-9);
    let broken = (0..100).map(|_| (0.9_f32, 0.4_f32));
    assert!((calibration_error(broken) - 0.5).abs() < 1e-6);
}

#[test]
fn a_figure_tells_how_many_splits_reached_it() {
    let figure = Figure::of([Some(0.2), None, Some(0.4)].into_iter());
    assert_eq!((figure.reached, figure.of), (2, 3));
    assert!((figure.mean.expect("two splits") - 0.3).abs() < 1e-12);
    assert!((figure.margin.expect("two splits") - 12.706 * 0.1).abs() < 1e-9);
    assert!(Figure::of([None].into_iter()).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_point_lies_above_the_hull(raw in proptest::collection::vec((0.0..9.0_f64, 0.0..1.0_f64), 1..20)) {
        let points: Vec<Point> = raw.iter().map(|(cost, quality)| point(*cost, *quality)).collect();
        let hull = Hull::of(&points);
        for point in &points {
            prop_assert!(hull.quality_at(point.cost) >= point.quality - 1e-9);
        }
    }
}
