//! Certificate compression (RFC 8879): zlib and brotli come with rustls, zstd is here.

use rustls::compress::{
    CertCompressor, CertDecompressor, CompressionFailed, CompressionLevel, DecompressionFailed,
};
use rustls::CertificateCompressionAlgorithm as Algorithm;

/// zstd, algorithm 3 of RFC 8879 section 7.3.
#[derive(Debug)]
struct Zstd;

static ZSTD: Zstd = Zstd;

/// zstd's levels: for a chain that is compressed for one connection, and for one that is kept.
const INTERACTIVE: i32 = 3;
const AMORTIZED: i32 = 19;

impl CertDecompressor for Zstd {
    fn decompress(&self, input: &[u8], output: &mut [u8]) -> Result<(), DecompressionFailed> {
        // `output` has the declared length, which rustls has bounded: a bomb does not fit in it.
        match zstd::bulk::decompress_to_buffer(input, output) {
            Ok(written) if written == output.len() => Ok(()),
            _ => Err(DecompressionFailed),
        }
    }

    fn algorithm(&self) -> Algorithm {
        Algorithm::Zstd
    }
}

impl CertCompressor for Zstd {
    fn compress(&self, input: Vec<u8>, level: CompressionLevel) -> Result<Vec<u8>, CompressionFailed> {
        let level = if level == CompressionLevel::Amortized { AMORTIZED } else { INTERACTIVE };
        zstd::bulk::compress(&input, level).map_err(|_| CompressionFailed)
    }

    fn algorithm(&self) -> Algorithm {
        Algorithm::Zstd
    }
}

/// What compresses by that name (`zlib`, `brotli`, `zstd`), and what decompresses.
#[must_use]
pub fn by_name(name: &str) -> Option<(&'static dyn CertCompressor, &'static dyn CertDecompressor)> {
    match name {
        "zlib" => Some((rustls::compress::ZLIB_COMPRESSOR, rustls::compress::ZLIB_DECOMPRESSOR)),
        "brotli" => Some((rustls::compress::BROTLI_COMPRESSOR, rustls::compress::BROTLI_DECOMPRESSOR)),
        "zstd" => Some((&ZSTD, &ZSTD)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compressed_comes_back() {
        let text = b"a certificate, a certificate, a certificate".repeat(20);
        for name in ["zlib", "brotli", "zstd"] {
            let (compressor, expander) = by_name(name).unwrap();
            let packed = compressor.compress(text.clone(), CompressionLevel::Interactive).unwrap();
            assert!(packed.len() < text.len());
            let mut back = vec![0; text.len()];
            expander.decompress(&packed, &mut back).unwrap();
            assert_eq!(back, text);
            let mut short = vec![0; text.len() - 1];
            assert!(expander.decompress(&packed, &mut short).is_err(), "{name}: longer than declared");
            let mut long = vec![0; text.len() + 1];
            assert!(expander.decompress(&packed, &mut long).is_err(), "{name}: shorter than declared");
        }
        assert!(by_name("gzip").is_none());
    }
}
