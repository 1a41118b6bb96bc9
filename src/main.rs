//! The program `callcard`; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    callcard::cli::main()
}
