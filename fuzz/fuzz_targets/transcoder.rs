//! Any document, as any message: what can be read can be written, and reads the same again.
#![no_main]

use berth_controller::aws::json::{Times, read, write};
use berth_controller::aws::schema::Schema;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u16, &[u8])| {
    let (place, document) = input;
    let names: Vec<&str> = Schema::get().names().collect();
    let name = names[usize::from(place) % names.len()];
    let index = Schema::get().message(name).expect("a message of the schema");
    let Ok(message) = read(index, document) else { return };
    let mut written = Vec::new();
    write(index, &message, Times::EpochSeconds, &mut written).expect("the reader writes messages");
    let again = read(index, &written).expect("the writer writes documents");
    let mut twice = Vec::new();
    write(index, &again, Times::EpochSeconds, &mut twice).expect("the reader writes messages");
    assert_eq!(written, twice, "{name}");
});
