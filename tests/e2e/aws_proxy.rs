//! The proxy on AWS's runtime emulator, with ministack around it and a real detector behind it.

mod bad_days;
mod events;
mod http;
mod later;
mod messages;
mod processors;
mod uploads;
