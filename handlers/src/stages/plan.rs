//! Decodes the untrusted bytes of an image, with limits on its size.

use std::io::Cursor;

use image::{
    DynamicImage, GrayImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits,
    metadata::Orientation,
};

use super::{ground, jpeg};

/// Maximum width and height of a plan, in pixels.
pub const MAX_SIDE: u32 = 8_000;

/// Maximum number of pixels of a plan.
pub const MAX_PIXELS: u64 = 40_000_000;

/// Maximum memory for decoding, in bytes: a plan of [`MAX_PIXELS`] with 16 bits in each of
/// four channels, and the decoder's own buffers.
const MAX_DECODER_BYTES: u64 = 384 * 1024 * 1024;

/// A floor plan: the brightness of each pixel, from 0 (black) to 255 (white), after the Exif orientation.
#[derive(Clone)]
pub struct FloorPlan {
    pixels: GrayImage,
}

/// The input is not an image of a floor plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The input is empty.
    #[error("the input is empty; send a PNG or JPEG image of a floor plan")]
    Empty,
    /// The input is neither PNG nor JPEG.
    #[error("the input is not a PNG or JPEG image (it starts with {start}); send one of these")]
    NotAnImage {
        /// The first bytes, escaped for display.
        start: String,
    },
    /// The header or the pixels are invalid or truncated.
    #[error("the {format} image is broken: {cause}; export it again and send the whole file")]
    Broken {
        /// The format by the image's signature.
        format: &'static str,
        /// The error of the decoder.
        cause: String,
    },
    /// The size in the header exceeds the limits.
    #[error(
        "the image has {width} x {height} pixels; send at most {MAX_SIDE} on a side and {} million \
         in all",
        MAX_PIXELS / 1_000_000
    )]
    TooLarge {
        /// The width in the header, in pixels.
        width: u32,
        /// The height in the header, in pixels.
        height: u32,
    },
    /// Decoding needs more memory than any plan within the limits.
    #[error(
        "decoding the image takes more than {} MB of memory; save it with 8 bits per channel and \
         without embedded profiles",
        MAX_DECODER_BYTES / (1024 * 1024)
    )]
    TooMuchMemory,
}

impl PlanError {
    /// The error code, for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty_input",
            Self::NotAnImage { .. } => "not_an_image",
            Self::Broken { .. } => "broken_image",
            Self::TooLarge { .. } | Self::TooMuchMemory => "image_too_large",
        }
    }
}

impl FloorPlan {
    /// Decodes a PNG or JPEG. The size in the header is checked before any pixel is decoded, so a
    /// decompression bomb costs nothing.
    pub fn decode(bytes: &[u8]) -> Result<Self, PlanError> {
        if bytes.is_empty() {
            return Err(PlanError::Empty);
        }
        let (format, name) = match image::guess_format(bytes) {
            Ok(format @ ImageFormat::Png) => (format, "PNG"),
            Ok(format @ ImageFormat::Jpeg) => (format, "JPEG"),
            Ok(_) | Err(_) => {
                return Err(PlanError::NotAnImage {
                    start: readable_start(bytes),
                });
            }
        };
        let broken = |error: ImageError| match error {
            ImageError::Limits(_) => PlanError::TooMuchMemory,
            error => PlanError::Broken {
                format: name,
                cause: error.to_string(),
            },
        };
        let bytes = if format == ImageFormat::Jpeg {
            jpeg::complete_image(bytes).map_err(|error| PlanError::Broken {
                format: name,
                cause: error.to_string(),
            })?
        } else {
            bytes
        };
        let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
        let mut limits = Limits::no_limits();
        limits.max_alloc = Some(MAX_DECODER_BYTES);
        reader.limits(limits);
        let mut decoder = reader.into_decoder().map_err(broken)?;
        let (width, height) = decoder.dimensions();
        if width.max(height) > MAX_SIDE || u64::from(width) * u64::from(height) > MAX_PIXELS {
            return Err(PlanError::TooLarge { width, height });
        }
        // Browsers apply the Exif orientation before they display an image; the coordinates of rooms refer to
        // the displayed image.
        let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
        let mut image = DynamicImage::from_decoder(decoder).map_err(broken)?;
        image.apply_orientation(orientation);
        Ok(Self {
            pixels: ground::brightness(image),
        })
    }

    /// A plan from decoded pixels.
    pub fn from_brightness(pixels: GrayImage) -> Self {
        Self { pixels }
    }

    /// The brightness of each pixel.
    pub fn brightness(&self) -> &GrayImage {
        &self.pixels
    }

    /// Width and height, in pixels.
    pub fn size(&self) -> (u32, u32) {
        self.pixels.dimensions()
    }
}

impl std::fmt::Debug for FloorPlan {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (width, height) = self.size();
        write!(formatter, "FloorPlan({width} x {height})")
    }
}

fn readable_start(bytes: &[u8]) -> String {
    format!("\"{}\"", bytes[..bytes.len().min(12)].escape_ascii())
}
