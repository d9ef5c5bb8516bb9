//! A Rust compiler that can build for BPF, and bpf-linker.
//!
//! Three routes: an object that somebody else built; rustup's nightly with rust-src, which builds `core` itself;
//! Debian's rustc, for which `core` comes built as a package. agent/build.rs follows the same order.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use nix::unistd::Uid;

use super::apt;
use crate::workspace::OBJECT_VARIABLE;
use crate::{programs, say, workspace};

/// The bpf-linker that the object was verified with.
const LINKER_VERSION: &str = "0.13.0";
/// LLVM versions that it can be built against.
const LINKER_LLVMS: std::ops::RangeInclusive<u32> = 21..=23;
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
/// ELF's number for BPF (elf.h, EM_BPF).
const EM_BPF: u16 = 247;

const REMEDY: &str = "No compiler for BPF was found and none can be installed here. One of these three will do:\n\
    - rustup toolchain install nightly --component rust-src\n\
    - on Debian 12 or 13: apt-get install rustc-web libstd-rust-web-dev-bpf (newer: rustc libstd-rust-dev-bpf)\n\
    - VIPWARD_EBPF_OBJECT=/path/to/vipward-ebpf, built on another machine from this same tree";

/// Makes sure that the eBPF object can be built.
pub(crate) fn ensure() -> Result<()> {
    if let Some(object) = workspace::path_in(OBJECT_VARIABLE) {
        check_object(&object)?;
        say::line("BPF compiler", format_args!("none needed: {OBJECT_VARIABLE} is {}", object.display()));
        return Ok(());
    }
    let compiler = match find() {
        Some(compiler) => compiler,
        None => install()?,
    };
    say::line("BPF compiler", format_args!("{}: {}", compiler.route, compiler.version));
    linker(compiler.llvm)
}

/// A compiler that can build for BPF.
struct Compiler {
    route: &'static str,
    version: String,
    /// Major version of its LLVM; bpf-linker must read what it writes.
    llvm: u32,
}

fn find() -> Option<Compiler> {
    nightly().or_else(debian)
}

fn nightly() -> Option<Compiler> {
    let rustup = programs::find("rustup")?;
    // `rustup run` may otherwise download a toolchain just because we looked for it.
    let rustc = |args: &[&str]| {
        let words = [&["run", "nightly", "rustc"], args].concat();
        let mut command = Command::new(&rustup);
        let output = command.args(words).env("RUSTUP_AUTO_INSTALL", "0").output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let sysroot = rustc(&["--print", "sysroot"])?;
    let core = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/core/src/lib.rs");
    if !core.exists() {
        return None;
    }
    Compiler::described("rustup's nightly with rust-src", &rustc(&["-vV"])?)
}

fn debian() -> Option<Compiler> {
    let core = fs::read_dir("/usr/lib/rustlib/bpfel-unknown-none/lib").ok()?.flatten().any(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.starts_with("libcore-") && name.ends_with(".rlib")
    });
    let described =
        Compiler::described("Debian's rustc with core for BPF", &programs::ask(DEBIAN_RUSTC, &["-vV"])?);
    if core { described } else { None }
}

impl Compiler {
    /// From what `rustc -vV` prints.
    fn described(route: &'static str, verbose: &str) -> Option<Compiler> {
        let field = |name: &str| verbose.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let llvm = field("LLVM version:")?.split('.').next()?.parse().ok()?;
        Some(Compiler { route, version: field("release:")?.to_owned(), llvm })
    }
}

/// Installs Debian's compiler: the web packages are newer on stable releases, plain ones serve elsewhere.
fn install() -> Result<Compiler> {
    ensure!(programs::find("apt-get").is_some(), REMEDY);
    let sets = [["rustc-web", "libstd-rust-web-dev-bpf"], ["rustc", "libstd-rust-dev-bpf"]];
    let known = || sets.into_iter().find(|set| set.iter().all(|package| apt::available(package)));
    let set = match known() {
        Some(set) => Some(set),
        None if Uid::effective().is_root() => {
            apt::refresh_lists();
            known()
        }
        None => None,
    };
    apt::install(&set.context(REMEDY)?)?;
    find().context(REMEDY)
}

/// Makes sure that bpf-linker is there, building it against an LLVM at least as new as the compiler's.
fn linker(llvm: u32) -> Result<()> {
    // agent/build.rs looks in the same order, so that the version that is installed here comes first.
    if let Some(path) = programs::find_installed_by_cargo("bpf-linker") {
        let version = programs::ask(&path, &["--version"]).unwrap_or_default();
        if version.trim().ends_with(LINKER_VERSION) {
            say::line("bpf-linker", format_args!("{LINKER_VERSION}: {}", path.display()));
            return Ok(());
        }
        say::line(
            "bpf-linker",
            format_args!("{} is {}, not {LINKER_VERSION}", path.display(), version.trim()),
        );
    }
    let (major, prefix) = llvm_for_linker(llvm)?;
    say::line(
        "bpf-linker",
        format_args!("cargo install bpf-linker {LINKER_VERSION} with LLVM {major}, about a minute"),
    );
    let feature = format!("llvm-{major}");
    let mut install = workspace::cargo();
    install.args(["install", "bpf-linker", "--locked", "--version", LINKER_VERSION]);
    install.args(["--no-default-features", "--features", &feature]).env("LLVM_PREFIX", &prefix);
    programs::run(&mut install).with_context(|| {
        format!(
            "bpf-linker was not built; by hand: LLVM_PREFIX={} {}",
            prefix.display(),
            programs::shown(&install)
        )
    })
}

/// Finds or installs the development files of an LLVM that bpf-linker knows and that reads our compiler's output.
fn llvm_for_linker(compiler: u32) -> Result<(u32, PathBuf)> {
    let usable = || LINKER_LLVMS.filter(|major| *major >= compiler);
    let packages = |major: u32| {
        [
            format!("llvm-{major}-dev"),
            format!("libpolly-{major}-dev"),
            "libzstd-dev".into(),
            "zlib1g-dev".into(),
        ]
    };
    let chosen = usable()
        .find(|major| packages(*major).iter().all(|package| apt::installed(package)))
        .or_else(|| usable().find(|major| packages(*major).iter().all(|package| apt::available(package))));
    let Some(major) = chosen else {
        bail!(
            "bpf-linker {LINKER_VERSION} needs the development files of LLVM {} to {} and no Debian package has them\n\
             Install bpf-linker by its own instructions, or set {OBJECT_VARIABLE} to an object built elsewhere.",
            compiler,
            LINKER_LLVMS.end()
        );
    };
    let packages = packages(major);
    let mut missing: Vec<&str> =
        packages.iter().map(String::as_str).filter(|package| !apt::installed(package)).collect();
    if programs::find("c++").is_none() {
        missing.push("g++");
    }
    if !missing.is_empty() {
        say::line("bpf-linker", format_args!("missing; building it needs {}", missing.join(" ")));
        apt::install(&missing)?;
    }
    Ok((major, PathBuf::from(format!("/usr/lib/llvm-{major}"))))
}

/// Refuses a file that cannot be the object, before a long build finds out.
fn check_object(path: &Path) -> Result<()> {
    let bytes =
        fs::read(path).with_context(|| format!("{OBJECT_VARIABLE}: cannot read {}", path.display()))?;
    let machine = bytes.get(18..20).map(|two| u16::from_le_bytes([two[0], two[1]]));
    if !bytes.starts_with(b"\x7fELF") || machine != Some(EM_BPF) {
        bail!(
            "{OBJECT_VARIABLE}: {} is not a little-endian BPF object; unset it to build one",
            path.display()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_rustc_says_of_itself() {
        let text = "rustc 1.96.0\nbinary: rustc\nhost: x\nrelease: 1.96.0\nLLVM version: 22.1.8\n";
        let compiler = Compiler::described("test", text).expect("all fields are there");
        assert_eq!((compiler.version.as_str(), compiler.llvm), ("1.96.0", 22));
        assert!(Compiler::described("test", "release: 1.96.0").is_none());
    }

    #[test]
    fn an_object_for_another_machine_is_refused() {
        let own = std::env::current_exe().expect("a test has a path");
        let error = check_object(&own).expect_err("a test binary is no BPF object");
        assert!(error.to_string().contains("not a little-endian BPF object"), "{error}");
        assert!(check_object(Path::new("/no/such/object")).is_err());
    }
}
