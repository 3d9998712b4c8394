//! Finds the end of a JPEG image by its segments.
//!
//! The decoder fills the missing part of a truncated image with grey without an error, so the file is checked
//! first. A search for markers is not sufficient: a thumbnail in a segment has its own markers, and the data
//! after the image may contain anything. A motion photo has a video there, which is valid.

const START_OF_IMAGE: u8 = 0xd8;
const END_OF_IMAGE: u8 = 0xd9;
const START_OF_SCAN: u8 = 0xda;

/// The file contains no complete image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum JpegError {
    /// The file ends inside the image.
    #[error("it ends before its last pixel")]
    Cut,
    /// Another image begins inside the image.
    #[error("another image begins before its last pixel; the first one was cut")]
    Overlapped,
    /// A marker is missing.
    #[error("there is no segment at byte {0}")]
    NoSegment(usize),
}

/// The part of a file from the image's start to its end.
pub(super) fn complete_image(bytes: &[u8]) -> Result<&[u8], JpegError> {
    let mut at = 2;
    let mut scans = 0;
    loop {
        if *bytes.get(at).ok_or(JpegError::Cut)? != 0xff {
            return Err(JpegError::NoSegment(at));
        }
        // A marker may follow any number of fill bytes.
        let fill = bytes[at..].iter().position(|&byte| byte != 0xff);
        at += fill.ok_or(JpegError::Cut)?;
        let marker = bytes[at];
        at += 1;
        match marker {
            END_OF_IMAGE if scans > 0 => return Ok(&bytes[..at]),
            END_OF_IMAGE => return Err(JpegError::Cut),
            START_OF_IMAGE => return Err(JpegError::Overlapped),
            // Markers without content: restarts and one for private use.
            0x01 | 0xd0..=0xd7 => continue,
            0x00 => return Err(JpegError::NoSegment(at - 2)),
            _ => {}
        }
        let length = bytes.get(at..at + 2).ok_or(JpegError::Cut)?;
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        if length < 2 {
            return Err(JpegError::NoSegment(at));
        }
        at += length;
        if marker == START_OF_SCAN {
            scans += 1;
            at += scan_length(bytes.get(at..).ok_or(JpegError::Cut)?)?;
        }
    }
}

/// The number of bytes of a scan's compressed data, which ends at the next marker that is not a restart.
fn scan_length(data: &[u8]) -> Result<usize, JpegError> {
    data.windows(2)
        .position(|pair| pair[0] == 0xff && !matches!(pair[1], 0x00 | 0xd0..=0xd7 | 0xff))
        .ok_or(JpegError::Cut)
}
