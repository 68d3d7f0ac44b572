//! `cpu` and `memory` of a task as a whole: how they are spelled, and which pairs Fargate has.

use crate::error::ApiError;

/// CPU units that the EC2 launch type takes. Source: ECS API, `RegisterTaskDefinition.cpu`.
const CPU_UNITS: std::ops::RangeInclusive<u32> = 128..=196_608;
/// Below this the container engine does not start a process. Source: ECS API, `ContainerDefinition.memory`.
pub(in crate::validate) const MEMORY_MIB_MIN: u32 = 6;
const WHERE_TO_READ: &str =
    "For more information, see the Troubleshooting section of the Amazon ECS Developer Guide.";

/// Units of `1024`, `1 vCPU` or `.5vcpu`.
pub(in crate::validate) fn cpu_units(text: &str) -> Result<u32, ApiError> {
    quantity(text, "vcpu")
        .filter(|units| CPU_UNITS.contains(units))
        .ok_or_else(|| ApiError::client(format!("Invalid 'cpu' setting for task. {WHERE_TO_READ}")))
}

/// MiB of `1024`, `1 GB` or `0.5gb`.
pub(in crate::validate) fn memory_mib(text: &str) -> Result<u32, ApiError> {
    quantity(text, "gb")
        .filter(|mib| *mib >= MEMORY_MIB_MIN)
        .ok_or_else(|| ApiError::client(format!("Invalid 'memory' setting for task. {WHERE_TO_READ}")))
}

/// Whether Fargate has tasks of this size. Source: the sizes that RegisterTaskDefinition takes; eight and sixteen
/// vCPUs go in steps of 4 and 8 GiB.
pub(super) fn is_fargate_size(cpu_units: u32, memory_mib: u32) -> bool {
    let steps = |from: u32, to: u32, step: u32| {
        (from..=to).contains(&memory_mib) && (memory_mib - from).is_multiple_of(step)
    };
    match cpu_units {
        256 => [512, 1024, 2048].contains(&memory_mib),
        512 => steps(1024, 4096, 1024),
        1024 => steps(2048, 8192, 1024),
        2048 => steps(4096, 16_384, 1024),
        4096 => steps(8192, 30_720, 1024),
        8192 => steps(16_384, 61_440, 4096),
        16_384 => steps(32_768, 122_880, 8192),
        _ => false,
    }
}

/// A whole number as it is, or a decimal number of `unit`s of 1024 each. Decimals are read digit by digit: floating
/// point would make the result a matter of rounding.
fn quantity(text: &str, unit: &str) -> Option<u32> {
    let text = text.trim().to_ascii_lowercase();
    let Some(number) = text.strip_suffix(unit) else {
        return text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    };
    let number = number.trim_end();
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !digits(whole) || !digits(fraction) || fraction.len() > 9
    {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let scale = 10_u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let fraction: u64 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let total = whole.checked_mul(1024)?.checked_add(fraction * 1024 / scale)?;
    u32::try_from(total).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_units_and_vcpus() {
        let rows = [
            ("256", Some(256)),
            ("1 vCPU", Some(1024)),
            ("1vcpu", Some(1024)),
            (".25 vCPU", Some(256)),
            ("0.5 VCPU", Some(512)),
            ("16 vCPU", Some(16_384)),
            ("127", None),
            ("196609", None),
            ("", None),
            ("-1", None),
            ("vCPU", None),
            (". vCPU", None),
            ("1.5.5 vCPU", None),
            ("1 GB", None),
            ("+256", None),
            ("99999999999999999999 vCPU", None),
            ("0.99999999999 vCPU", None),
        ];
        for (text, expected) in rows {
            assert_eq!(cpu_units(text).ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn reads_mib_and_gigabytes() {
        let rows = [
            ("512", Some(512)),
            ("1GB", Some(1024)),
            ("0.5 GB", Some(512)),
            ("6", Some(6)),
            ("5", None),
            ("1 TB", None),
        ];
        for (text, expected) in rows {
            assert_eq!(memory_mib(text).ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn knows_the_sizes_of_fargate() {
        let mut sizes = 0;
        for cpu in [128, 256, 512, 1024, 2048, 4096, 8192, 16_384, 32_768] {
            sizes += (1..=245_760).step_by(1).filter(|memory| is_fargate_size(cpu, *memory)).count();
        }
        assert_eq!(sizes, 74, "as many as RegisterTaskDefinition takes");
        assert!(is_fargate_size(8192, 20_480));
        assert!(!is_fargate_size(8192, 17_408));
    }
}
