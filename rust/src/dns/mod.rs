//! DNS messages as views: one pass says whether a message is valid and where its parts are (RFC 1035 section 4).
//!
//! The Python twin says what is wrong with a message that is refused here, so that nothing here has words or
//! fields: there is a view, or there is none. A refused message costs both passes, which is what it costs where
//! there is no twin.

pub mod layout;
pub mod message;
pub mod name;
pub mod zone;

pub use layout::{Kind, Layout};
pub use message::{scan, Opt, Question, Record, Shape, View};
