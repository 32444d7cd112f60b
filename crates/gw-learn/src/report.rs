//! An evaluation for people: a table of figures and a chart.

use std::fmt::Write;

use crate::evaluate::{Evaluation, RouterFigures};
use crate::measure::Figure;

/// The evaluation as text.
pub fn table(evaluation: &Evaluation) -> String {
    let mut text = String::new();
    let left = evaluation.left_out;
    let _ = writeln!(
        text,
        "{}: {} prompts, {} models, split {}, {} splits of 60/40 (left out: {} duplicate and {} \
         incomplete prompts, {} models)",
        evaluation.data,
        evaluation.prompts,
        evaluation.models.len(),
        evaluation.split,
        evaluation.seeds,
        left.duplicate_prompts,
        left.incomplete_prompts,
        left.models,
    );
    if evaluation.is_length_assumed {
        text.push_str(
            "Answer lengths are assumed by class of task: costs mostly show price ratios.\n",
        );
    }
    text.push_str("\nmodel                                      quality  $/1k\n");
    for model in &evaluation.models {
        let _ = writeln!(text, "{:42} {:.4}  {:.3}", model.name, model.quality, model.usd_per_1k);
    }
    text.push_str(
        "\nCosts are shares of the best single model's; `-`: not reached; (n/m): reached in n of m \
         splits.\n\n",
    );
    let _ = writeln!(
        text,
        "{:13} {:>15} {:>16} {:>12} {:>12} {:>12} {:>6}",
        "router", "AIQ", "lift over hull", "cost@95", "cost@98", "cost@100", "ECE"
    );
    for router in &evaluation.routers {
        let _ = writeln!(
            text,
            "{:13} {:>15} {:>16} {:>12} {:>12} {:>12} {:>6}",
            router.name,
            with_margin(&router.aiq, false),
            with_margin(&router.lift, true),
            cost(&router.cost_95),
            cost(&router.cost_98),
            cost(&router.cost_100),
            plain(&router.ece, 3),
        );
    }
    text.push('\n');
    for router in evaluation.routers.iter().filter(|router| !router.ece.is_empty()) {
        let _ = writeln!(text, "{}", honest(router));
    }
    if let Some(cascade) = &evaluation.cascade {
        let _ = writeln!(
            text,
            "\ncascade {}\n  share of always asking {}: cost@95 {}  cost@98 {}  cost@100 {}\n  98 % \
             promised from training: quality {} at cost {}\n  untrained, first two that agree: quality \
             {} at cost {}; the first two agree on {}, right {}",
            cascade.models.join(" > "),
            cascade.models.last().map_or("", String::as_str),
            cost(&cascade.cost_95),
            cost(&cascade.cost_98),
            cost(&cascade.cost_100),
            plain(&cascade.honest_98_quality, 3),
            plain(&cascade.honest_98_cost, 3),
            plain(&cascade.plain_quality, 3),
            plain(&cascade.plain_cost, 3),
            plain(&cascade.agreement_share, 3),
            plain(&cascade.agreement_precision, 3),
        );
    }
    text
}

fn honest(router: &RouterFigures) -> String {
    let mut line = format!(
        "{}: 95 % promised from training delivers {} at cost {} (honest lift {}); decision p50 {} us, \
         p99 {} us",
        router.name,
        plain(&router.honest_95_quality, 3),
        plain(&router.honest_95_cost, 3),
        with_margin(&router.honest_lift, true),
        plain(&router.decision_us_p50, 1),
        plain(&router.decision_us_p99, 1),
    );
    if !router.apgr.is_empty() {
        let _ = write!(line, "; APGR {}", with_margin(&router.apgr, false));
    }
    let is_reached = router.cost_97.reached == router.cost_97.of;
    if let Some(cost_97) = router.cost_97.mean.filter(|_| is_reached) {
        let _ = write!(
            line,
            "; against always the best model: {:.0} % cheaper at 97 % of its quality",
            (1.0 - cost_97) * 100.0
        );
    }
    line
}

/// What is saved against always asking the best model, how that was found, and what speaks against it.
pub fn savings(evaluation: &Evaluation) -> String {
    let mut text = String::from("\nsavings against always asking the best single model\n");
    let mut line = |name: &str, promise: &str, quality: &Figure, cost: &Figure| {
        let (Some(delivered), Some(paid)) = (quality.mean, cost.mean) else { return };
        let margin =
            cost.margin.map_or(String::new(), |margin| format!(" ± {:.0}", margin * 100.0));
        let _ = writeln!(
            text,
            "  {name:8} {promise} promised: {:.0}{margin} % cheaper at {:.1} % of its quality",
            (1.0 - paid) * 100.0,
            delivered * 100.0,
        );
    };
    for router in &evaluation.routers {
        line(router.name, "97 %", &router.honest_97_quality, &router.honest_97_cost);
    }
    if let Some(cascade) = &evaluation.cascade {
        line("cascade", "98 %", &cascade.honest_98_quality, &cascade.honest_98_cost);
    }
    let mix: Vec<String> = evaluation
        .mix
        .iter()
        .map(|(task, count)| {
            format!("{task} {:.0} %", *count as f64 * 100.0 / evaluation.prompts.max(1) as f64)
        })
        .collect();
    let _ = writeln!(
        text,
        "mix: {}\nmethod: split {}, {} times 60/40; the value of an answer is chosen on training prompts \
         that their fit did not see, to keep the promise there; quality and cost are then measured on \
         prompts that nothing saw, as shares of the model that is best on them (a cascade's: of its last \
         model). ± is the 95 % interval over splits.",
        mix.join(", "),
        evaluation.split,
        evaluation.seeds,
    );
    text.push_str(
        "caveats: list prices without prompt caches; the mix is the data's, not yours; on tasks that \
         nothing was learned about a promise does not hold (--split task shows by how much)",
    );
    text.push_str(if evaluation.is_length_assumed {
        "; answer lengths are assumed, so cost shares mostly show price ratios.\n"
    } else {
        ".\n"
    });
    text
}

fn with_margin(figure: &Figure, is_signed: bool) -> String {
    let Some(mean) = figure.mean else { return "-".to_owned() };
    let sign = if is_signed && mean >= 0.0 { "+" } else { "" };
    let margin = figure.margin.map_or(String::new(), |margin| format!("±{margin:.4}"));
    format!("{sign}{mean:.4}{margin}")
}

fn cost(figure: &Figure) -> String {
    let Some(mean) = figure.mean else { return "-".to_owned() };
    if figure.reached == figure.of {
        format!("{mean:.3}")
    } else {
        format!("{mean:.3} ({}/{})", figure.reached, figure.of)
    }
}

fn plain(figure: &Figure, digits: usize) -> String {
    figure.mean.map_or_else(|| "-".to_owned(), |mean| format!("{mean:.digits$}"))
}

/// Colours of curves, readable for most kinds of colour blindness.
const COLOURS: [(&str, &str); 6] = [
    ("prior", "#cc79a7"),
    ("hull", "#777777"),
    ("feature-free", "#e69f00"),
    ("text", "#56b4e9"),
    ("tag", "#0072b2"),
    ("cascade", "#009e73"),
];

/// The first split's curves as an SVG picture: cost across, quality up, both as shares of the best
/// single model's (of the top model's for the cascade).
pub fn chart(evaluation: &Evaluation) -> String {
    let mut curves: Vec<(&str, &[(f64, f64)])> =
        evaluation.routers.iter().map(|router| (router.name, &router.curve[..])).collect();
    if let Some(cascade) = &evaluation.cascade {
        curves.push(("cascade", &cascade.curve));
    }
    let qualities = curves.iter().flat_map(|(_, curve)| curve.iter().map(|point| point.1));
    let low = qualities.fold(1.0, f64::min).max(0.0) - 0.02;
    let x = |cost: f64| 60.0 + 520.0 * cost.clamp(0.0, 1.2) / 1.2;
    let y = |quality: f64| 340.0 - 310.0 * (quality - low) / (1.08 - low).max(0.05);
    let mut svg = String::from(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 600 400\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"600\" height=\"400\" fill=\"white\"/>\n",
    );
    for step in 0..=6 {
        let cost = f64::from(step) * 0.2;
        let _ = writeln!(
            svg,
            "<text x=\"{:.0}\" y=\"358\" text-anchor=\"middle\">{cost:.1}</text>",
            x(cost)
        );
    }
    let _ = writeln!(
        svg,
        "<line x1=\"60\" y1=\"340\" x2=\"580\" y2=\"340\" stroke=\"black\"/>\n<line x1=\"60\" y1=\"30\" \
         x2=\"60\" y2=\"340\" stroke=\"black\"/>\n<line x1=\"60\" x2=\"580\" y1=\"{0:.1}\" y2=\"{0:.1}\" \
         stroke=\"#bbbbbb\" stroke-dasharray=\"4\"/>\n<text x=\"54\" y=\"{0:.1}\" \
         text-anchor=\"end\">1.0</text>\n<text x=\"320\" y=\"380\" text-anchor=\"middle\">cost, share of \
         the best single model's</text>\n<text x=\"60\" y=\"20\">{1}, split {2}: quality, share of the \
         best single model's</text>",
        y(1.0),
        escaped(&evaluation.data),
        evaluation.split,
    );
    for (at, (name, curve)) in curves.iter().enumerate() {
        let colour = COLOURS.iter().find(|(known, _)| known == name).map_or("black", |(_, c)| c);
        let points: Vec<String> = curve
            .iter()
            .map(|(cost, quality)| format!("{:.1},{:.1}", x(*cost), y(*quality)))
            .collect();
        let _ = writeln!(
            svg,
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" points=\"{}\"/>\n<text \
             x=\"480\" y=\"{}\" fill=\"{colour}\">{name}</text>",
            points.join(" "),
            250 + 16 * at,
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}
