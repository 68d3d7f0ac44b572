//! Compiles the schema without protoc, and derives from it the AWS spelling of every enum value.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use prost::Message as _;
use prost_reflect::{DescriptorPool, EnumDescriptor};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = proto_files(Path::new("berth"))?;
    println!("cargo:rerun-if-changed=berth");
    let set =
        protox::Compiler::new(["."])?.include_imports(true).open_files(&files)?.encode_file_descriptor_set();
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptor_set.bin"), &set)?;
    let pool = DescriptorPool::decode(set.as_slice())?;
    std::fs::write(out.join("aws_names.rs"), aws_names(&pool)?)?;
    tonic_prost_build::configure()
        .btree_map(".")
        .compile_fds(prost_types::FileDescriptorSet::decode(set.as_slice())?)?;
    Ok(())
}

fn proto_files(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(proto_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// One `AwsName` impl for every enum of the ECS package.
fn aws_names(pool: &DescriptorPool) -> Result<String, Box<dyn std::error::Error>> {
    let option = pool
        .get_extension_by_name("berth.options.v1.aws_name")
        .ok_or("the schema lost its aws_name option")?;
    let mut code = String::new();
    for kind in pool.all_enums().filter(|kind| kind.parent_file().package_name() == "berth.ecs.v1") {
        write_impl(&mut code, &kind, &option)?;
    }
    Ok(code)
}

fn write_impl(
    code: &mut String,
    kind: &EnumDescriptor,
    option: &prost_reflect::ExtensionDescriptor,
) -> Result<(), std::fmt::Error> {
    let name = rust_type(kind.name());
    let named: Vec<(i32, String)> = kind
        .values()
        .filter(|value| value.number() != 0)
        .map(|value| {
            let options = value.options();
            let spelling = options.get_extension(option);
            (value.number(), spelling.as_str().unwrap_or_default().to_owned())
        })
        .collect();
    writeln!(code, "impl AwsName for crate::ecs::v1::{name} {{")?;
    writeln!(code, "    const ALL: &'static [Self] = &[")?;
    for value in kind.values().filter(|value| value.number() != 0) {
        writeln!(code, "        Self::{},", variant(kind.name(), value.name()))?;
    }
    writeln!(code, "    ];\n    fn aws_name(self) -> &'static str {{\n        match self as i32 {{")?;
    for (number, spelling) in &named {
        writeln!(code, "            {number} => {spelling:?},")?;
    }
    writeln!(code, "            _ => \"\",\n        }}\n    }}\n}}")
}

/// The name prost gives an enum type.
fn rust_type(name: &str) -> String {
    upper_camel(&snake(name))
}

/// The name prost gives an enum value: its own without the enum's name before it.
fn variant(kind: &str, value: &str) -> String {
    let prefix = format!("{}_", snake(kind).to_uppercase());
    upper_camel(&value.strip_prefix(&prefix).unwrap_or(value).to_lowercase())
}

fn snake(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut out = String::new();
    for (index, char) in chars.iter().enumerate() {
        let after_lower = index > 0 && !chars[index - 1].is_uppercase();
        let before_lower = index > 0 && chars.get(index + 1).is_some_and(|next| next.is_lowercase());
        if char.is_uppercase() && index > 0 && (after_lower || before_lower) {
            out.push('_');
        }
        out.extend(char.to_lowercase());
    }
    out
}

fn upper_camel(snake: &str) -> String {
    snake
        .split('_')
        .filter(|part| !part.is_empty())
        .map(|part| part[..1].to_uppercase() + &part[1..])
        .collect()
}
