//! Every target with what was kept for it, and with some hundred changes to that.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use vipward_fuzz::mutate::Mutator;
use vipward_fuzz::{TARGETS, Target, find};

/// Changed inputs for each target, and for the one that makes long ones of them.
const CHANGED: usize = 300;
const CHANGED_LONG: usize = 20;
/// In the environment, so many changed inputs instead, other ones for every number: without libFuzzer, better than none.
const INPUTS: &str = "VIPWARD_FUZZ_INPUTS";
/// Bytes of all corpora together: they are read and compiled into nothing, but cloned with the repository.
const ALL: u64 = 1_000_000;

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

/// Fails with the input, for it is not to be found again otherwise.
fn give(target: &Target, input: &[u8], name: &str, scratch: &Path) {
    let given = catch_unwind(AssertUnwindSafe(|| (target.run)(input, scratch)));
    assert!(given.is_ok(), "{} fails on {name}: {}", target.name, input.escape_ascii());
}

fn smoke(name: &str) {
    let target = find(name).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let (corpus, regressions) = (files(&target.corpus()), files(&target.regressions()));
    assert!(!corpus.is_empty(), "{name} has nothing to begin with");
    for (file, input) in corpus.iter().chain(&regressions) {
        give(target, input, file, scratch.path());
    }
    let inputs: Vec<Vec<u8>> = corpus.into_iter().chain(regressions).map(|(_, input)| input).collect();
    let asked: Option<usize> = std::env::var(INPUTS).ok().map(|number| number.parse().unwrap());
    let changed = asked.unwrap_or(if name == "keepalived_long" { CHANGED_LONG } else { CHANGED });
    let mut dice = fastrand::Rng::with_seed(changed as u64);
    let mut mutator = Mutator::new(&inputs, target.longest, |below| dice.usize(0..below));
    for _ in 0..changed {
        give(target, &mutator.input(), "a changed input", scratch.path());
    }
}

macro_rules! smoke {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            smoke(stringify!($name));
        })*

        #[test]
        fn every_target_is_tried_and_has_a_folder() {
            let tried: BTreeSet<&str> = [$(stringify!($name)),*].into();
            assert_eq!(tried, TARGETS.iter().map(|target| target.name).collect());
            let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
            let folders = std::fs::read_dir(corpora).unwrap();
            let folders: BTreeSet<String> =
                folders.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
            assert_eq!(folders, tried.iter().map(|&name| name.to_owned()).collect());
        }
    };
}

smoke! {
    advert xdp netlink keepalived_conf keepalived_long confd_toml template_go template_handlebars
    store_etcd2 store_consul store_redis store_file control http
}

#[test]
fn corpora_are_small() {
    let files = TARGETS.iter().flat_map(|target| files(&target.corpus()));
    let bytes: u64 = files.map(|(_, input)| input.len() as u64).sum();
    assert!(bytes <= ALL, "{bytes} bytes: `cargo xtask fuzz --keep` keeps what is needed");
}
