//! The proxy on AWS's runtime emulator, with ministack around it and a real detector behind it.

mod http;
mod uploads;
mod world;
