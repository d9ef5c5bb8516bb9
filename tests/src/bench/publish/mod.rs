//! `cargo xtask bench publish`: the newest raw numbers of each bench as `docs/benchmarks.md`, with plots beside it.
//!
//! Nothing is measured here, and nothing is left out: what missed its goal is listed first.

mod page;
mod plot;
mod read;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use read::Record;

/// The benches, in the order of the page, and what each is about.
const BENCHES: [(&str, &str); 10] = [
    ("failover", "The master goes away, and what it costs while nothing happens"),
    ("handover", "The master makes way in good order, and comes back"),
    ("starvation", "No CPU, no memory"),
    ("flood", "Hostile adverts"),
    ("reload", "Long configurations, read again and again"),
    ("throughput", "Requests through the VIP"),
    ("scrape", "A thousand VIPs' metrics, ten times a second"),
    ("config", "Reading and starting large configurations"),
    ("packets", "What a packet costs in the XDP program"),
    ("render", "From a put in etcd to the renamed file"),
];
/// Folder of the plots, beside the page.
const PLOTS: &str = "benchmarks";

/// Where from and where to.
#[derive(Clone, Debug)]
pub struct PublishOptions {
    /// Folder of the raw numbers.
    pub results: PathBuf,
    /// Folder that gets the page, and a folder of plots.
    pub docs: PathBuf,
}

/// Writes the page.
pub fn run(options: &PublishOptions) -> Result<()> {
    let mut page = page::Page::default();
    let plots = options.docs.join(PLOTS);
    fs::create_dir_all(&plots).with_context(|| format!("cannot make {}", plots.display()))?;
    let mut published = 0;
    for (bench, about) in BENCHES {
        let Some(path) = newest(&options.results, bench)? else {
            page.absent(bench, about);
            continue;
        };
        let record = Record::read(&path)?;
        page.bench(bench, about, &record);
        for scenario in &record.scenarios {
            for (number, metric) in scenario.metrics.iter().enumerate().filter(|(_, metric)| metric.plots()) {
                let name = format!("{bench}-{}-{number}.svg", scenario.name);
                let file = plots.join(&name);
                let drawn = plot::draw(metric);
                fs::write(&file, drawn?).with_context(|| format!("cannot write {}", file.display()))?;
                page.plot(&scenario.name, number, &format!("{PLOTS}/{name}"));
            }
        }
        published += 1;
    }
    ensure!(published > 0, "no raw numbers in {}: run a bench first", options.results.display());
    let file = options.docs.join("benchmarks.md");
    fs::write(&file, page.text()).with_context(|| format!("cannot write {}", file.display()))?;
    println!("{published} of {} benches: {}", BENCHES.len(), file.display());
    Ok(())
}

/// The newest file of a bench.
fn newest(results: &Path, bench: &str) -> Result<Option<PathBuf>> {
    let Ok(files) = fs::read_dir(results) else { return Ok(None) };
    let mut newest: Option<(u64, PathBuf)> = None;
    for path in files.map(|entry| entry.map(|entry| entry.path())) {
        let path = path.with_context(|| format!("cannot read {}", results.display()))?;
        let begun = path
            .file_name()
            .and_then(|name| name.to_str()?.strip_prefix(bench)?.strip_prefix('-')?.strip_suffix(".json"))
            .and_then(|seconds| seconds.parse().ok());
        if let Some(begun) = begun.filter(|begun| newest.as_ref().is_none_or(|(other, _)| other < begun)) {
            newest = Some((begun, path));
        }
    }
    Ok(newest.map(|(_, path)| path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_numbers_of_each_bench_are_published() {
        let folder = tempfile::tempdir().unwrap();
        let (results, docs) = (folder.path().join("results"), folder.path().join("docs"));
        fs::create_dir(&results).unwrap();
        let options = PublishOptions { results: results.clone(), docs: docs.clone() };
        assert!(run(&options).is_err(), "there are none");
        let numbers = |value: f64, met: bool| {
            format!(
                r#"{{"begun": 1795629078, "kernel": "6.18", "cpus": 2, "scenarios": [{{"name": "one", "title": "a pair",
                "master_down_ms": 31.2, "load": [0.1, null], "notes": ["a note"],
                "failures": [{{"contender": "socket", "why": "no takeover"}}],
                "metrics": [{{"name": "gap", "unit": "ms", "wanted": 5,
                "samples": [{{"contender": "xdp", "values": [{value}, 2, 3, 4, 5]}}, {{"contender": "keepalived", "values": []}}],
                "verdicts": [{{"contender": "xdp", "statistic": "median", "side": "at-most", "value": null, "limit": 2.5,
                "noise": null, "missing": 0, "met": {met}}}]}}]}}]}}"#
            )
        };
        fs::write(results.join("flood-99.json"), numbers(1.0, true)).unwrap();
        fs::write(results.join("flood-100.json"), numbers(777.5, false)).unwrap();
        fs::write(results.join("flood-x.json"), "not ours").unwrap();
        run(&options).unwrap();
        let page = fs::read_to_string(docs.join("benchmarks.md")).unwrap();
        assert!(page.contains("777.5") && page.contains("a pair") && page.contains("a note"), "{page}");
        assert!(page.contains("no takeover") && page.contains("not run"), "{page}");
        let missed = page.lines().find(|line| line.starts_with("* flood, one: gap of vipward xdp")).unwrap();
        assert!(missed.contains("2.5"), "{missed}");
        let plot = fs::read_to_string(docs.join("benchmarks/flood-one-0.svg")).unwrap();
        assert!(plot.starts_with("<svg") && plot.contains("vipward xdp"), "{plot}");
        assert!(page.contains("benchmarks/flood-one-0.svg"), "{page}");
    }
}
