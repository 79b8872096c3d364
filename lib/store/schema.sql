-- libscow's state, version 1. store/db.c embeds this file; PRAGMA user_version is the version.
-- Times are nanoseconds since 1970 unless named otherwise.

-- Single facts: 'boot' is the boot that last swept for orphans.
CREATE TABLE facts (
	name  TEXT PRIMARY KEY,
	value TEXT NOT NULL
) WITHOUT ROWID;

-- A blob of ROOT/blobs/sha256. A row exists only after its rename.
CREATE TABLE blobs (
	digest   TEXT PRIMARY KEY,          -- 'sha256:...'
	size     INTEGER NOT NULL,
	created  INTEGER NOT NULL DEFAULT 0,
	released INTEGER NOT NULL DEFAULT 0, -- 1: an image that needed it went; else new ones are left alone for a while (image/layer.c)
	boot_id  TEXT NOT NULL,             -- of the boot that wrote it
	synced   INTEGER NOT NULL DEFAULT 0 -- 0: may be lost in a power cut of that boot; store/recover.c
) WITHOUT ROWID;
CREATE INDEX blobs_unsynced ON blobs(boot_id, created) WHERE synced = 0;

-- An unpacked layer: ROOT/layers/<name>. A row exists only after its rename.
CREATE TABLE layers (
	chain_id TEXT PRIMARY KEY,
	name     TEXT NOT NULL UNIQUE,      -- directory: first 24 hex digits of the chain id
	parent   TEXT REFERENCES layers(chain_id),
	diff_id  TEXT NOT NULL,
	blob     TEXT,                      -- compressed digest it was made from, if kept
	size     INTEGER NOT NULL,          -- unpacked bytes
	created  INTEGER NOT NULL,
	released INTEGER NOT NULL DEFAULT 0, -- 1: an image whose top it was went
	boot_id  TEXT NOT NULL,
	synced   INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX layers_by_parent ON layers(parent);
CREATE INDEX layers_unsynced ON layers(boot_id, created) WHERE synced = 0;

CREATE TABLE images (
	id        TEXT PRIMARY KEY,         -- config digest
	config    TEXT NOT NULL,            -- raw bytes of the config document
	manifest  TEXT NOT NULL,            -- digest of the image manifest blob
	top_layer TEXT REFERENCES layers(chain_id), -- NULL: no layers
	platform  TEXT NOT NULL,            -- 'linux/amd64'
	size      INTEGER NOT NULL,
	created   INTEGER NOT NULL,         -- seconds since 1970, from the config
	added     INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX images_by_layer ON images(top_layer);

-- Which blobs an image needs: manifest, config and layers. For counting references.
CREATE TABLE image_blobs (
	image TEXT NOT NULL REFERENCES images(id) ON DELETE CASCADE,
	blob  TEXT NOT NULL,
	PRIMARY KEY (image, blob)
) WITHOUT ROWID;
CREATE INDEX image_blobs_by_blob ON image_blobs(blob);
CREATE TRIGGER image_releases_layer AFTER DELETE ON images BEGIN
	UPDATE layers SET released = 1 WHERE chain_id = old.top_layer;
END;
CREATE TRIGGER image_releases_blob AFTER DELETE ON image_blobs BEGIN
	UPDATE blobs SET released = 1 WHERE digest = old.blob;
END;

-- 'docker.io/library/ubuntu:latest' -> image. Digest references ('...@sha256:...') are rows too.
CREATE TABLE tags (
	reference TEXT PRIMARY KEY,
	image     TEXT NOT NULL REFERENCES images(id) ON DELETE CASCADE,
	is_digest INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX tags_by_image ON tags(image);

CREATE TABLE containers (
	id         TEXT PRIMARY KEY,        -- 64 hex digits
	name       TEXT NOT NULL UNIQUE,
	image      TEXT NOT NULL REFERENCES images(id),
	image_name TEXT NOT NULL,           -- as the user gave it
	top_layer  TEXT,                    -- what its root stands on
	config     TEXT NOT NULL,           -- JSON, container/config.h
	args       TEXT NOT NULL DEFAULT '',-- what it executes, merged from image and config: a JSON array
	labels     TEXT NOT NULL DEFAULT '',-- merged from image and config: a JSON object, or '' for none
	state      INTEGER NOT NULL,        -- scow_container_state
	owner      TEXT,                    -- ROOT/owners/<owner> of the process that has it in hand: an ephemeral one's creator, who
	                                    -- starts or runs it, who removes it. NULL: nobody, nothing to sweep when a process dies
	ephemeral  INTEGER NOT NULL DEFAULT 0,
	boot_id    TEXT NOT NULL DEFAULT '',-- of the last start
	pid        INTEGER NOT NULL DEFAULT 0,
	pid_start  INTEGER NOT NULL DEFAULT 0, -- start time in clock ticks, /proc/PID/stat field 22
	exit_code  INTEGER NOT NULL DEFAULT 0,
	exit_signal INTEGER NOT NULL DEFAULT 0,
	oom_killed INTEGER NOT NULL DEFAULT 0,
	error      TEXT NOT NULL DEFAULT '',
	cgroup     TEXT NOT NULL DEFAULT '',-- where it is (runtime/cgroup_location.c), so that a sweep can find it
	created    INTEGER NOT NULL,
	started    INTEGER NOT NULL DEFAULT 0,
	finished   INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX containers_by_image ON containers(image);
CREATE INDEX containers_by_owner ON containers(owner);

-- What happened, numbered without a gap: one more than the highest, which is never deleted. store/journal.h.
CREATE TABLE events (
	number     INTEGER PRIMARY KEY,
	time       INTEGER NOT NULL,
	type       TEXT NOT NULL,           -- 'container', 'image', 'network', 'volume'
	action     TEXT NOT NULL,
	object     TEXT NOT NULL,           -- its id
	attributes TEXT NOT NULL            -- a JSON object of strings
);
-- At least 100,000 are kept; the rest goes in blocks.
CREATE TRIGGER events_end AFTER INSERT ON events WHEN new.number % 512 = 0 BEGIN
	DELETE FROM events WHERE number <= new.number - 100000;
END;
