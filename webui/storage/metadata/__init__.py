"""What pictures and text files of this program and others say of how a picture was made."""

from webui.storage.metadata.pictures import PictureInfo, read_infotext

__all__ = ["PictureInfo", "read_infotext"]
