"""keeping: backups and their way back, exports, the copy before an upgrade, room on the disk."""
