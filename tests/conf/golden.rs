//! Each `bad/NAME.conf` is refused with exactly the words of `bad/NAME.expected`.

use super::{expect, golden_files, mistakes};

#[test]
fn every_bad_file_is_refused_in_the_expected_words() {
    let files = golden_files();
    assert!(files.len() >= 40, "{} files", files.len());
    for path in files {
        let name = path.file_name().unwrap().to_str().unwrap();
        let found = mistakes(name, &std::fs::read(&path).unwrap());
        assert_ne!(found, "", "{name} has no mistake");
        expect(&path.with_extension("expected"), &found);
    }
}
