//! How the static program is linked.

#![allow(clippy::print_stdout, reason = "a build script talks to cargo so")]

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // The places that a program corrects when it is loaded are a twentieth of it, and take next to nothing when they are packed.
    // Of the C libraries, musl knows how in each version that Rust brings; an older one of a distribution's may not.
    if std::env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|environment| environment == "musl") {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}
