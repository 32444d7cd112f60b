#![allow(clippy::all, clippy::pedantic, warnings)]
use gw_learn::{data::*, fit::*, measure::*, split::*};
use gw_routing::estimate::*;
use gw_routing::signal::*;
use std::path::Path;

pub fn sweep(o: &Outcomes, rows: &[usize], est: &[(Vec<f32>, Vec<f32>)]) -> Vec<Point> {
    let w = o.width();
    let mut pts = vec![];
    let mut vs = vec![0.0f64];
    for i in 0..162 { vs.push(1e6 * 10f64.powf(i as f64 / 161.0 * 7.0 )); }
    for v in vs {
        let (mut c, mut q) = (0.0, 0.0);
        for (k, &r) in rows.iter().enumerate() {
            let mut best = (f64::MIN, 0);
            for m in 0..w {
                if !est[k].0[m].is_finite() { continue }
                let s = v * est[k].0[m] as f64 - est[k].1[m] as f64;
                if s > best.0 { best = (s, m) }
            }
            c += o.cost_of(r, best.1).pico() as f64;
            q += o.quality_of(r, best.1) as f64;
        }
        pts.push(Point { cost: c / rows.len() as f64, quality: q / rows.len() as f64 });
    }
    pts
}
fn singles(o: &Outcomes, rows: &[usize]) -> Vec<Point> {
    (0..o.width()).map(|m| {
        let n = rows.len() as f64;
        Point { cost: rows.iter().map(|&r| o.cost_of(r, m).pico() as f64).sum::<f64>() / n, quality: rows.iter().map(|&r| o.quality_of(r, m) as f64).sum::<f64>() / n }
    }).collect()
}
fn report(name: &str, o: &Outcomes, rows: &[usize], pts: &[Point]) -> [f64; 6] {
    let s = singles(o, rows);
    let best = s.iter().copied().max_by(|a, b| a.quality.total_cmp(&b.quality).then(b.cost.total_cmp(&a.cost))).unwrap();
    let lo = s.iter().map(|p| p.cost).fold(f64::MAX, f64::min);
    let hull = Hull::of(pts);
    let base = Hull::of(&s);
    let a = hull.area(lo, best.cost);
    let at = |f: f64| hull.cost_for(f * best.quality).map_or(9.99, |c| c / best.cost);
    [a, a - base.area(lo, best.cost), at(0.95), at(0.98), at(1.0), base.area(lo, best.cost)]
}
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let get = |k: &str, d: f32| args.iter().find_map(|a| a.strip_prefix(&format!("{k}="))).map_or(d, |v| v.parse().unwrap());
    let set = &args[1];
    let by = if args[2] == "task" { SplitBy::Task } else { SplitBy::Random };
    let tagged = &args[3];
    let pool: Vec<String> = if set == "zeroeval" && get("all", 0.0) == 0.0 {
        "gemma-2-2b-it,Phi-3.5-mini-instruct,gemini-1.5-flash,Meta-Llama-3.1-8B-Instruct,gemma-2-9b-it,gpt-4o-mini-2024-07-18,claude-3-haiku-20240307,Meta-Llama-3.1-70B-Instruct,claude-3-5-haiku-20241022,Mistral-Large-2,claude-3-5-sonnet-20241022,gpt-4o-2024-08-06".split(',').map(String::from).collect()
    } else { vec![] };
    let mut o = load(&Path::new("/work/shared/routing").join(set), &pool).unwrap();
    let n = o.prompts.len(); let w = o.width();
    let t0 = std::time::Instant::now();
    let mut sig = signals_of(&o);
    println!("{set} {n} prompts {w} models; signals {:.1}us each, pieces {:.0}", t0.elapsed().as_secs_f64() * 1e6 / n as f64, sig.iter().map(|s| s.pieces.len()).sum::<usize>() as f64 / n as f64);
    let only: Option<&str> = args.iter().find_map(|a| a.strip_prefix("only="));
    for (s, p) in sig.iter_mut().zip(&o.prompts) {
        s.tag = match tagged.as_str() { "task" => Some(tag_of_words(&p.task)), "sub" => Some(tag_of_words(&format!("{}/{}", p.task, p.sub))), _ => None };
    }
    let seeds = get("seeds", 3.0) as u64;
    let mut recipe = Recipe::default();
    recipe.alpha = get("alpha", 4.0);
    recipe.steps = get("steps", 24.0) as usize;
    recipe.common = get("common", 0.3);
    recipe.mix = Mix { linear: 1.0, neighbours: 1.0 };
    let mixes: Vec<(f32, f32, f32)> = vec![(0., 0., 1.), (1., 0., 1.), (0., 1., 1.), (0.5, 0.5, 1.), (0.5, 0., 1.), (0., 0.5, 1.), (0.25, 0.25, 1.0), (0.7, 0.7, 1.0), (0.4,0.8,1.0)];
    let mut sums = vec![[0.0f64; 8]; mixes.len() * 2];
    for seed in 0..seeds {
        let mut sp = split(&o, by, seed);
        if let Some(only) = only { sp.train.retain(|r| o.prompts[*r].task == only); sp.test.retain(|r| o.prompts[*r].task == only); }
        let t0 = std::time::Instant::now();
        let e = fit(&o, &sig, &sp.train, &recipe);
        let tf = t0.elapsed().as_secs_f64();
        // hull models on train
        let ts = singles(&o, &sp.train);
        let th = Hull::of(&ts);
        let on: Vec<bool> = ts.iter().map(|p| th.points().iter().any(|h| h.cost == p.cost) || p.quality >= th.quality_at(p.cost) - get("slack", 0.0) as f64).collect();
        let ontop = |k: usize| k;
        for (mi, mix) in mixes.iter().enumerate() {
            let mut e2 = e.clone();
            e2.mix = Mix { linear: mix.0, neighbours: mix.1 };
            if mix.0 == 0.0 { e2.linear = None }
            if mix.1 == 0.0 { e2.neighbours = None }
            let t0 = std::time::Instant::now();
            let preds = predict(&e2, &sig, &sp.test);
            let tp = t0.elapsed().as_secs_f64() / sp.test.len() as f64 * 1e6;
            let ece = calibration_error(preds.iter().zip(&sp.test).flat_map(|(p, &r)| (0..w).map(|m| (p.success[m], o.quality_of(r, m))).collect::<Vec<_>>()));
            for prune in 0..2 {
                let est: Vec<(Vec<f32>, Vec<f32>)> = preds.iter().zip(&sp.test).map(|(p, &r)| {
                    let mut s = p.success.clone();
                    if prune == 1 { for m in 0..w { if !on[m] { s[m] = f32::NAN } } }
                    let c = (0..w).map(|m| o.price(m, o.in_tokens[r * w + m] as u64, if o.is_length_assumed { o.out_tokens[r * w + m] as u64 } else { p.tokens[m] as u64 }).pico() as f32).collect();
                    (s, c)
                }).collect();
                let rep = report("", &o, &sp.test, &sweep(&o, &sp.test, &est));
                let row = &mut sums[mi * 2 + prune];
                for i in 0..6 { row[i] += rep[i] / seeds as f64 }
                row[6] += ece / seeds as f64;
                row[7] += tp / seeds as f64;
            }
        }
        if seed == 0 { println!("fit {tf:.2}s on={:?}", on.iter().filter(|x| **x).count()); }
    }
    for (mi, mix) in mixes.iter().enumerate() { for prune in 0..2 {
        let r = sums[mi * 2 + prune];
        println!("lin {:.2} knn {:.2} prune {} | AIQ {:.4} lift {:+.4} | c95 {:.3} c98 {:.3} c100 {:.3} | hull {:.4} ece {:.3} {:.1}us", mix.0, mix.1, prune, r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7]);
    } }
}
