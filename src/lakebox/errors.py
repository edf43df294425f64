"""Every error lakebox raises on purpose.

LakeboxError
├── ConfigError      the configuration is wrong; nothing was touched (exit 2)
├── SourceError      the export or its ontology cannot be read at all
├── LakeError        the dataset cannot be opened, read or written
│   ├── LakeBusy     another run is writing it
│   └── LakeMoved    somebody else committed to it meanwhile
├── DriftError       the ontology changed, and the configuration does not follow it
├── DataRowsError    data rows failed, and a script asked for an exception then
└── AssetError       one data row cannot be imported; the others go on
    ├── RowError     its JSON is not what Labelbox writes       (stage "parse")
    ├── FetchError   a file of it cannot be had                  (stage "fetch")
    ├── MediaError   its media cannot be decoded or do not match (stage "decode")
    ├── MaskError    one of its masks cannot be read or used     (stage "mask")
    └── UploadError  it cannot be sent to Labelbox               (stage "upload")
"""


class LakeboxError(Exception):
    """Anything lakebox refuses to do, in one sentence that says what to do about it."""


class ConfigError(LakeboxError):
    """The configuration is wrong; nothing was read or written because of it."""


class SourceError(LakeboxError):
    """The project cannot be read: no export, no data rows, or not what was asked for."""


class LakeError(LakeboxError):
    """The dataset cannot be opened, read or written."""


class LakeBusy(LakeError):
    """Another run is writing the dataset."""


class LakeMoved(LakeError):
    """Somebody else committed to the dataset since it was opened; nothing of this was written over it."""


class DriftError(LakeboxError):
    """The ontology or the mapping changed in a way that the configuration does not want to follow."""


class DataRowsError(LakeboxError):
    """Data rows failed in a run for a script that asked for an exception then; what could be done is done."""


class Stopped(LakeboxError):
    """An asset failed and the configuration asks to stop then; what was finished is committed."""


class AssetError(LakeboxError):
    """One data row cannot be imported. `stage` says where it failed; the rest of the project goes on."""

    stage = "import"


class RowError(AssetError):
    """The export's JSON of a data row is not what Labelbox writes."""

    stage = "parse"


class FetchError(AssetError):
    """A file of a data row cannot be had: missing, refused, cut short or unreachable."""

    stage = "fetch"


class MediaError(AssetError):
    """The media of a data row cannot be decoded or are not what the export declares."""

    stage = "decode"


class MaskError(AssetError):
    """A mask file of a data row cannot be read or does not fit its frame."""

    stage = "mask"


class UploadError(AssetError):
    """A data row cannot be sent to Labelbox."""

    stage = "upload"
