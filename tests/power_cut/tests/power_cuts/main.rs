//! What a power cut leaves: a real process is killed, and its folder restored from the image.

mod acknowledged;
mod content;
mod machine;
mod names;
mod written_back;
