"""What people would rather look at than read: clips, explorers, plots."""

from ditcourse.figures.clips import save_clip, show_clip, show_clips

__all__ = ["save_clip", "show_clip", "show_clips"]
