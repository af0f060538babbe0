//! The positive control: this program, started again as a child, breaks its own seal and is seen to.

use std::hint::black_box;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Output};

use tidegate::os::alloc;

/// Set in the child.
const CHILD: &str = "TIDEGATE_SEALED_CHILD";
const SIGABRT: i32 = 6;
const QUIET: i32 = 42;

fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// Runs one test of this program alone, as a child.
fn child(test: &str) -> Output {
    let program = std::env::current_exe().unwrap();
    Command::new(program).args([test, "--exact", "--nocapture", "--test-threads=1"]).env(CHILD, "1").output().unwrap()
}

#[test]
fn an_allocation_after_the_seal_aborts_a_debug_build_and_is_counted_in_a_release_build() {
    if is_child() {
        alloc::seal();
        drop(black_box(vec![1_u8; 77]));
        alloc::unseal();
        let told = (alloc::news(), alloc::news());
        std::process::exit(if alloc::after_seal() == (1, 77) && told == (Some(77), None) { QUIET } else { 1 });
    }
    let output = child("alarm::an_allocation_after_the_seal_aborts_a_debug_build_and_is_counted_in_a_release_build");
    let said = String::from_utf8_lossy(&output.stderr);
    if cfg!(debug_assertions) {
        assert_eq!(output.status.signal(), Some(SIGABRT), "{said}");
        assert!(said.contains("tidegate: an allocation after the seal\n"), "{said}");
    } else {
        assert_eq!(output.status.code(), Some(QUIET), "{said}");
    }
}

#[test]
fn growing_in_place_is_an_allocation_too() {
    if is_child() {
        let mut grown = Vec::<u8>::with_capacity(1);
        alloc::seal();
        grown.reserve_exact(black_box(4_000));
        alloc::unseal();
        std::process::exit(if alloc::after_seal() == (1, 4_000) { QUIET } else { 1 });
    }
    let status = child("alarm::growing_in_place_is_an_allocation_too").status;
    let expected = if cfg!(debug_assertions) { (Some(SIGABRT), None) } else { (None, Some(QUIET)) };
    assert_eq!((status.signal(), status.code()), expected);
}

#[test]
fn freeing_and_borrowing_under_the_seal_raise_no_alarm() {
    if is_child() {
        let before = black_box(vec![1_u8; 77]);
        alloc::seal();
        let sum: u32 = before.iter().map(|byte| u32::from(*byte)).sum();
        drop(before);
        alloc::unseal();
        std::process::exit(if sum == 77 && alloc::after_seal() == (0, 0) { QUIET } else { 1 });
    }
    assert_eq!(child("alarm::freeing_and_borrowing_under_the_seal_raise_no_alarm").status.code(), Some(QUIET));
}
