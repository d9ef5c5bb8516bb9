//! Builds the eBPF object and leaves it in `OUT_DIR`, from where `kernel/object.rs` embeds it.
//!
//! Three routes, the first that is there: `VIPWARD_EBPF_OBJECT` names a finished object; rustup's nightly with
//! rust-src builds `core` along with it; Debian's compiler brings `core` for BPF ready-made. The workspace's own
//! compiler can do neither, so a second cargo runs with the other one, in a target directory of its own.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus};
use std::{env, fmt, fs, io};

/// Package, binary and file name of the object.
const OBJECT: &str = "vipward-ebpf";
/// Names a finished object instead of building one.
const EXPLICIT: &str = "VIPWARD_EBPF_OBJECT";
/// What the compiler links with.
const LINKER: &str = "bpf-linker";
/// The profile of the workspace manifest that the object is built with.
const PROFILE: &str = "bpf";
/// Debian's compiler (package rustc-web), which is not the one on PATH where rustup is installed.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
/// Debian's libraries for its compiler's targets (libstd-rust-web-dev-bpf).
const DEBIAN_RUSTLIB: &str = "/usr/lib/rustlib";
/// What the outer cargo and its wrappers (clippy, sccache) put into our environment for another compiler.
const INHERITED: [&str; 14] = [
    "CARGO_BUILD_RUSTC",
    "CARGO_BUILD_RUSTC_WRAPPER",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_TARGET_DIR",
    "CLIPPY_ARGS",
    "RUSTC",
    "RUSTC_BOOTSTRAP",
    "RUSTC_LINKER",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_WRAPPER",
    "RUSTDOC",
    "RUSTFLAGS",
];

enum BuildError {
    Environment(&'static str),
    NoCompiler,
    NoLinker,
    Run(String, io::Error),
    Failed(String, ExitStatus),
    Copy(PathBuf, io::Error),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BuildError::Environment(name) => write!(f, "cargo did not set {name}"),
            BuildError::NoCompiler => write!(
                f,
                "no compiler for the eBPF object: neither rustup's nightly with rust-src, nor Debian's rustc with \
                 its BPF core, nor a finished object in {EXPLICIT}.\nRemedy: cargo xtask setup"
            ),
            BuildError::NoLinker => {
                write!(f, "{LINKER} is neither in cargo's folder nor on PATH.\nRemedy: cargo xtask setup")
            }
            BuildError::Run(command, error) => write!(f, "cannot run {command}: {error}"),
            BuildError::Failed(command, status) => write!(
                f,
                "the eBPF object was not built ({status}) by\n{command}\nIf it is the compiler or the linker that \
                 is wrong: cargo xtask setup"
            ),
            BuildError::Copy(path, error) => {
                write!(f, "cannot copy the eBPF object {}: {error}", path.display())
            }
        }
    }
}

fn main() -> ExitCode {
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<(), BuildError> {
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR")?).join("..");
    for input in ["Cargo.toml", "ebpf/Cargo.toml", "ebpf/src", "common/Cargo.toml", "common/src"] {
        println!("cargo::rerun-if-changed={}", root.join(input).display());
    }
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed={EXPLICIT}");

    let out = PathBuf::from(variable("OUT_DIR")?);
    let object = match env::var_os(EXPLICIT) {
        Some(object) => {
            // A build script runs in its package's folder; cargo is called in the workspace's.
            let object = root.join(object);
            println!("cargo::rerun-if-changed={}", object.display());
            object
        }
        None => compile(&root, &out)?,
    };
    match fs::copy(&object, out.join(OBJECT)) {
        Ok(_) => Ok(()),
        Err(error) => Err(BuildError::Copy(object, error)),
    }
}

/// Runs the second cargo and returns the path of the object.
fn compile(root: &Path, out: &Path) -> Result<PathBuf, BuildError> {
    let endian = variable("CARGO_CFG_TARGET_ENDIAN")?;
    let target = if endian == "big" { "bpfeb-unknown-none" } else { "bpfel-unknown-none" };
    let mut cargo = compiler(target)?;
    let path = path_to(LINKER).ok_or(BuildError::NoLinker)?;
    let flags = [
        format!("--cfg=bpf_target_arch=\"{}\"", variable("CARGO_CFG_TARGET_ARCH")?),
        "-Cdebuginfo=2".to_owned(),
        "-Clink-arg=--btf".to_owned(),
    ];
    let target_dir = out.join("ebpf-target");
    cargo
        .args(["build", "--quiet", "--package", OBJECT, "--profile", PROFILE, "--target", target])
        .arg("--target-dir")
        .arg(&target_dir)
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
        .env("PATH", path)
        .current_dir(root);
    match cargo.status() {
        Ok(status) if status.success() => Ok(target_dir.join(target).join(PROFILE).join(OBJECT)),
        Ok(status) => Err(BuildError::Failed(format!("{cargo:?}"), status)),
        Err(error) => Err(BuildError::Run(format!("{cargo:?}"), error)),
    }
}

/// A cargo with a compiler that can build for `target`, and nothing of ours in its environment.
fn compiler(target: &str) -> Result<Command, BuildError> {
    if nightly_has_source() {
        let mut cargo = Command::new("rustup");
        clear(&mut cargo).args(["run", "nightly", "cargo", "-Zbuild-std=core"]);
        return Ok(cargo);
    }
    if Path::new(DEBIAN_RUSTC).exists() && has_core(&Path::new(DEBIAN_RUSTLIB).join(target).join("lib")) {
        let mut cargo = Command::new(variable("CARGO")?);
        // A stable compiler, and aya-ebpf and the BPF target are unstable ones.
        clear(&mut cargo).env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1");
        return Ok(cargo);
    }
    Err(BuildError::NoCompiler)
}

fn clear(command: &mut Command) -> &mut Command {
    for name in INHERITED {
        command.env_remove(name);
    }
    command.env_remove("RUSTUP_TOOLCHAIN")
}

/// Whether rustup has a nightly with the sources of `core`.
fn nightly_has_source() -> bool {
    let mut rustc = Command::new("rustup");
    // Or rustup may download a toolchain just because we looked for it.
    clear(&mut rustc).env("RUSTUP_AUTO_INSTALL", "0");
    rustc.args(["run", "nightly", "rustc", "--print", "sysroot"]);
    let Ok(output) = rustc.output() else { return false };
    let sysroot = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success()
        && Path::new(&sysroot).join("lib/rustlib/src/rust/library/core/src/lib.rs").exists()
}

/// Whether a folder of libraries has a `core`.
fn has_core(libraries: &Path) -> bool {
    let Ok(entries) = fs::read_dir(libraries) else { return false };
    entries.flatten().any(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.starts_with("libcore-") && name.ends_with(".rlib")
    })
}

/// A PATH on which `program` is found: where `cargo install` puts it comes first, as in `cargo xtask setup`, for that
/// is the version that was asked for, and the folder need not be on PATH.
fn path_to(program: &str) -> Option<OsString> {
    let cargo_home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| Path::new(&home).join(".cargo")));
    let path = env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> =
        cargo_home.map(|home| home.join("bin")).into_iter().chain(env::split_paths(&path)).collect();
    let found = folders.iter().find(|folder| folder.join(program).is_file())?;
    env::join_paths([found].into_iter().chain(&folders)).ok()
}

fn variable(name: &'static str) -> Result<String, BuildError> {
    env::var(name).map_err(|_| BuildError::Environment(name))
}
