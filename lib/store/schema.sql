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
	sums     TEXT,                      -- checksums of all files' contents, added up, 16 hex digits; if known (archive/unpack.h)
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
	sheds      INTEGER NOT NULL DEFAULT 0, -- 1: it is being removed, and its anonymous volumes go with it
	boot_id    TEXT NOT NULL DEFAULT '',-- of the last start
	pid        INTEGER NOT NULL DEFAULT 0,
	pid_start  INTEGER NOT NULL DEFAULT 0, -- start time in clock ticks, /proc/PID/stat field 22
	exit_code  INTEGER NOT NULL DEFAULT 0,
	exit_signal INTEGER NOT NULL DEFAULT 0,
	oom_killed INTEGER NOT NULL DEFAULT 0,
	health     INTEGER NOT NULL DEFAULT 0, -- enum wire_health_status: what the journal was told last
	freezing   INTEGER NOT NULL DEFAULT 0, -- 1: its cgroup is being frozen or thawed, as the state says; container/pause.c
	error      TEXT NOT NULL DEFAULT '',
	cgroup     TEXT NOT NULL DEFAULT '',-- where it is (runtime/cgroup_location.c), so that a sweep can find it
	created    INTEGER NOT NULL,
	started    INTEGER NOT NULL DEFAULT 0,
	finished   INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX containers_by_image ON containers(image);
CREATE INDEX containers_by_owner ON containers(owner);
CREATE INDEX containers_freezing ON containers(id) WHERE freezing = 1;

-- The host's ids that are a container's own, in its user namespace: no two overlap (container/id-map.c).
CREATE TABLE id_ranges (
	container TEXT PRIMARY KEY REFERENCES containers(id) ON DELETE CASCADE,
	first     INTEGER NOT NULL UNIQUE,
	size      INTEGER NOT NULL
) WITHOUT ROWID;

-- Project ids of the file system that limit what containers write, and what is in volumes (store/quota.h).
CREATE TABLE projects (
	id        INTEGER PRIMARY KEY,
	container TEXT UNIQUE REFERENCES containers(id) ON DELETE CASCADE,
	volume    TEXT UNIQUE REFERENCES volumes(name) ON DELETE CASCADE
);

-- Networks (lib/network). Addresses are hexadecimal digits of a fixed number, 8 or 32, so that their order is that of the text.
CREATE TABLE networks (
	id       TEXT PRIMARY KEY,          -- 64 hex digits
	name     TEXT NOT NULL UNIQUE,
	driver   INTEGER NOT NULL,          -- enum network_driver
	flags    INTEGER NOT NULL,          -- enum network_flag
	mtu      INTEGER NOT NULL DEFAULT 0,
	mode     INTEGER NOT NULL DEFAULT 0, -- of a macvlan
	link     TEXT NOT NULL,             -- the bridge, or a macvlan's parent
	settings TEXT NOT NULL,             -- JSON: options, labels
	owner    TEXT,                      -- of an ephemeral one: who made it
	created  INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE pools (
	network    TEXT NOT NULL REFERENCES networks(id) ON DELETE CASCADE,
	position   INTEGER NOT NULL,
	family     INTEGER NOT NULL,        -- 4 or 6
	subnet     TEXT NOT NULL,
	bits       INTEGER NOT NULL,
	range      TEXT NOT NULL,
	range_bits INTEGER NOT NULL,
	gateway    TEXT,
	last_given TEXT,                    -- the search goes on after it
	PRIMARY KEY (network, position)
) WITHOUT ROWID;

-- Addresses that no container gets.
CREATE TABLE reserved (
	network TEXT NOT NULL REFERENCES networks(id) ON DELETE CASCADE,
	address TEXT NOT NULL,
	name    TEXT NOT NULL,
	PRIMARY KEY (network, address)
) WITHOUT ROWID;

-- A container on a network. Its addresses are leases: only one that runs has them, and no two have the same. Who records that it ends
-- frees them, and its ports (container_leave). No trigger: every UPDATE of a container would have to be compiled with it.
CREATE TABLE endpoints (
	container TEXT NOT NULL REFERENCES containers(id) ON DELETE CASCADE,
	network   TEXT NOT NULL,            -- may have been removed while the container does not run
	position  INTEGER NOT NULL,         -- the order in which they were added
	priority  INTEGER NOT NULL DEFAULT 0,
	wanted4   TEXT,                     -- asked for; nobody else gets them without asking
	wanted6   TEXT,
	interface TEXT NOT NULL DEFAULT '', -- asked for
	settings  TEXT NOT NULL DEFAULT '', -- JSON: Docker's EndpointSettings as they were asked for
	ip4       TEXT,
	ip6       TEXT,
	mac       TEXT,
	link      TEXT,                     -- its name inside, while it runs
	run       INTEGER NOT NULL DEFAULT 0, -- part of the name of its port on the host
	PRIMARY KEY (container, network)
) WITHOUT ROWID;
CREATE UNIQUE INDEX endpoints_ip4 ON endpoints(network, ip4) WHERE ip4 IS NOT NULL;
CREATE UNIQUE INDEX endpoints_ip6 ON endpoints(network, ip6) WHERE ip6 IS NOT NULL;
CREATE INDEX endpoints_by_network ON endpoints(network);
CREATE INDEX endpoints_wanted4 ON endpoints(network, wanted4) WHERE wanted4 IS NOT NULL;
CREATE INDEX endpoints_wanted6 ON endpoints(network, wanted6) WHERE wanted6 IS NOT NULL;

-- Host ports that are taken, by containers that run.
CREATE TABLE ports (
	protocol  INTEGER NOT NULL,         -- IPPROTO_*
	address   TEXT NOT NULL,            -- the host's, of zeros for any; the container's own where it is routed to
	port      INTEGER NOT NULL,
	container TEXT NOT NULL REFERENCES containers(id) ON DELETE CASCADE,
	target    INTEGER NOT NULL,         -- inside
	PRIMARY KEY (protocol, address, port)
) WITHOUT ROWID;
CREATE INDEX ports_by_container ON ports(container);

-- Volumes (lib/volume). One with an owner is ephemeral, and his; or it is being removed by him.
CREATE TABLE volumes (
	name      TEXT PRIMARY KEY,
	driver    TEXT NOT NULL,            -- 'local': ROOT/volumes/<name>
	options   TEXT NOT NULL,            -- JSON
	labels    TEXT NOT NULL,            -- JSON
	created   INTEGER NOT NULL,
	anonymous INTEGER NOT NULL DEFAULT 0,
	ephemeral INTEGER NOT NULL DEFAULT 0,
	removing  INTEGER NOT NULL DEFAULT 0, -- 1: nobody finds it any more
	owner     TEXT
) WITHOUT ROWID;
CREATE INDEX volumes_by_owner ON volumes(owner) WHERE owner IS NOT NULL;

-- What a container mounts of volumes and images, and of other containers' binds; other binds are in its config (container/volumes.c).
CREATE TABLE mounts (
	container TEXT NOT NULL REFERENCES containers(id) ON DELETE CASCADE,
	target    TEXT NOT NULL,
	kind      INTEGER NOT NULL,         -- enum config_mount_kind
	volume    TEXT REFERENCES volumes(name),
	image     TEXT REFERENCES images(id),
	source    TEXT NOT NULL DEFAULT '', -- of a bind; of an image the name that was given
	options   TEXT,                     -- as in the config
	subpath   TEXT,
	read_only INTEGER NOT NULL DEFAULT 0,
	no_copy   INTEGER NOT NULL DEFAULT 0,
	driven    INTEGER NOT NULL DEFAULT 0, -- 1: its volume's driver has mounted it, and nobody has unmounted it
	PRIMARY KEY (container, target)
) WITHOUT ROWID;
CREATE INDEX mounts_by_volume ON mounts(volume) WHERE volume IS NOT NULL;
CREATE INDEX mounts_by_image ON mounts(image) WHERE image IS NOT NULL;

-- What happened, numbered without a gap: one more than the highest, which is never deleted. At least 100,000 are kept. store/journal.h.
CREATE TABLE events (
	number     INTEGER PRIMARY KEY,
	time       INTEGER NOT NULL,
	type       TEXT NOT NULL,           -- 'container', 'image', 'network', 'volume'
	action     TEXT NOT NULL,
	object     TEXT NOT NULL,           -- its id
	attributes TEXT NOT NULL            -- a JSON object of strings
);
