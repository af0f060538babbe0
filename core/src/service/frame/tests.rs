extern crate std;

use std::vec;
use std::vec::Vec;

use super::*;
use crate::event::Token;
use crate::pool::Pool;
use crate::service::Next;
