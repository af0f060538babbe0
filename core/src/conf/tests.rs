//! A growing text for the tests of this module.

extern crate std;

use std::string::String;

#[derive(Debug, Default)]
pub struct Text(pub String);

impl ufmt::uWrite for Text {
    type Error = core::convert::Infallible;

    fn write_str(&mut self, text: &str) -> Result<(), Self::Error> {
        self.0.push_str(text);
        Ok(())
    }
}
