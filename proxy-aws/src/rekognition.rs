//! Amazon Rekognition as a detector.
