/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bytes of frames to structs and back, for usernet: Ethernet, IPv4, IPv6, TCP, UDP, ICMP. Pure: no system call, no state.
 *
 * Nothing that a frame says of itself is believed before it is compared with how many bytes there are. Fragments, options of IP and
 * extension headers are dropped: at 65520 bytes to a packet nobody needs them. Checksums of what comes are not looked at: the "wire" is
 * this machine's memory, and the kernel leaves them undone on it. In what goes out, the kernel is told where to put TCP's and UDP's
 * (VIRTIO_NET_HDR_F_NEEDS_CSUM), which it never has to do either.
 * See: RFC 791, 8200, 9293, 768; linux/virtio_net.h.
 */
#include "init/usernet.h"

#define NEEDS_CSUM 1
#define GSO_NONE 0
#define GSO_UDP_PARTS 5
#define GSO_ECN 0x80

#define IP4_BYTES 20
#define IP6_BYTES 40
#define UDP_BYTES 8
#define TCP_BYTES 20
#define TCP_CHECKSUM 16
#define UDP_CHECKSUM 6
#define HOPS 64

static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };

uint16_t bytes_16(const unsigned char *at)
{
	return (uint16_t) (at[0] << 8 | at[1]);
}

uint32_t bytes_32(const unsigned char *at)
{
	return (uint32_t) at[0] << 24 | (uint32_t) at[1] << 16 | (uint32_t) at[2] << 8 | at[3];
}

void bytes_put_16(unsigned char *at, unsigned int value)
{
	at[0] = (unsigned char) (value >> 8);
	at[1] = (unsigned char) value;
}

void bytes_put_32(unsigned char *at, uint32_t value)
{
	bytes_put_16(at, value >> 16);
	bytes_put_16(at + 2, value & 0xffff);
}

/* ---- addresses ---- */

bool address_is_4(const struct net_address *address)
{
	return __builtin_memcmp(address->bytes, mapped, sizeof(mapped)) == 0;
}

struct net_address address_of_4(uint32_t address)
{
	struct net_address out;

	__builtin_memcpy(out.bytes, mapped, sizeof(mapped));
	bytes_put_32(out.bytes + 12, address);
	return out;
}

uint32_t address_4(const struct net_address *address)
{
	return bytes_32(address->bytes + 12);
}

struct net_address address_near(bool ip6, unsigned int host)
{
	struct net_address out = { { 0xfd, 0x5c, [7] = 1 } };

	if (!ip6)
		return address_of_4(USERNET_PREFIX | host);
	out.bytes[15] = (unsigned char) host;
	return out;
}

bool address_same(const struct net_address *a, const struct net_address *b)
{
	return __builtin_memcmp(a, b, sizeof(*a)) == 0;
}

static bool read_dotted(const char *text, unsigned char out[4])
{
	for (unsigned int i = 0; i < 4; i++) {
		unsigned int value = 0, digits = 0;

		for (; *text >= '0' && *text <= '9' && digits < 4; digits++)
			value = value * 10 + (unsigned int) (*text++ - '0');
		if (!digits || value > 255 || *text != (i < 3 ? '.' : 0))
			return false;
		text += i < 3;
		out[i] = (unsigned char) value;
	}
	return true;
}

static int digit_of(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;
}

/* Groups of digits, and one "::" at most. */
static bool read_groups(const char *text, unsigned char out[16])
{
	unsigned char bytes[16] = { 0 };
	unsigned int n = 0, gap = 16;

	if (text[0] == ':' && text[1] == ':') {
		gap = 0;
		text += 2;
	}
	while (*text) {
		unsigned int value = 0, digits = 0;

		for (; digit_of(*text) >= 0; digits++)
			value = value << 4 | (unsigned int) digit_of(*text++);
		if (!digits || digits > 4 || n == 16)
			return false;
		bytes_put_16(bytes + n, value);
		n += 2;
		if (!*text)
			break;
		if (*text++ != ':' || !*text)
			return false;
		if (*text != ':')
			continue;
		if (gap < 16 || n == 16)
			return false;
		gap = n;
		text++;
	}
	if (gap == 16 ? n != 16 : n > 14)
		return false;
	__builtin_memset(out, 0, 16);
	for (unsigned int i = 0; i < n; i++)
		out[i < gap ? i : 16 - n + i] = bytes[i];
	return true;
}

bool address_read(const char *text, struct net_address *out)
{
	unsigned char bytes[4];

	if (!read_dotted(text, bytes))
		return read_groups(text, out->bytes);
	*out = address_of_4(bytes_32(bytes));
	return true;
}

/* ---- reading ---- */

static bool read_ip4(const unsigned char *at, size_t size, struct packet *out)
{
	size_t total;

	if (size < IP4_BYTES || at[0] != 0x45)
		return false;
	total = bytes_16(at + 2);
	/* More fragments, or one that is not the first. */
	if (total < IP4_BYTES || total > size || bytes_16(at + 6) & 0x3fff)
		return false;
	out->from = address_of_4(bytes_32(at + 12));
	out->to = address_of_4(bytes_32(at + 16));
	out->protocol = at[9];
	out->data = at + IP4_BYTES;
	out->size = total - IP4_BYTES;
	return true;
}

static bool read_ip6(const unsigned char *at, size_t size, struct packet *out)
{
	size_t payload;

	if (size < IP6_BYTES || at[0] >> 4 != 6)
		return false;
	payload = bytes_16(at + 4);
	if (payload > size - IP6_BYTES)
		return false;
	__builtin_memcpy(&out->from, at + 8, sizeof(out->from));
	__builtin_memcpy(&out->to, at + 24, sizeof(out->to));
	/* Who writes an IPv4 address into an IPv6 packet wants to get around something. */
	if (address_is_4(&out->from) || address_is_4(&out->to))
		return false;
	out->ip6 = true;
	out->protocol = at[6];
	out->data = at + IP6_BYTES;
	out->size = payload;
	return true;
}

bool packet_read(const unsigned char *frame, size_t size, struct packet *out)
{
	const unsigned char *at = frame + VNET_BYTES + ETHERNET_BYTES;
	unsigned int type, gso;

	__builtin_memset(out, 0, sizeof(*out));
	if (size < VNET_BYTES + ETHERNET_BYTES)
		return false;
	size -= VNET_BYTES + ETHERNET_BYTES;
	gso = frame[1] & ~GSO_ECN;
	type = bytes_16(at - 2);
	if (!(type == 0x0800 && read_ip4(at, size, out)) && !(type == 0x86dd && read_ip6(at, size, out)))
		return false;
	if (out->protocol == FRAME_UDP && gso == GSO_UDP_PARTS) {
		/* The machine's own byte order. */
		__builtin_memcpy(&out->datagram_bytes, frame + 4, sizeof(out->datagram_bytes));
		return out->datagram_bytes;
	}
	return out->protocol == FRAME_TCP || gso == GSO_NONE;
}

static void read_options(const unsigned char *at, const unsigned char *end, struct segment *out)
{
	while (at < end && *at != 0) {
		if (*at == 1) {
			at++;
			continue;
		}
		if (end - at < 2 || at[1] < 2 || at[1] > end - at)
			return;
		if (at[0] == 2 && at[1] == 4)
			out->mss = bytes_16(at + 2);
		if (at[0] == 3 && at[1] == 3)
			out->shift = at[2] > 14 ? 14 : at[2];
		at += at[1];
	}
}

bool segment_read(const struct packet *packet, struct segment *out)
{
	const unsigned char *at = packet->data;
	size_t header;

	if (packet->size < TCP_BYTES)
		return false;
	header = (size_t) (at[12] >> 4) * 4;
	if (header < TCP_BYTES || header > packet->size)
		return false;
	*out = (struct segment){
		.from = bytes_16(at),
		.to = bytes_16(at + 2),
		.seq = bytes_32(at + 4),
		.ack = bytes_32(at + 8),
		.flags = at[13],
		.window = bytes_16(at + 14),
		.shift = -1,
		.data = at + header,
		.size = packet->size - header,
	};
	if (out->flags & SEGMENT_SYN)
		read_options(at + TCP_BYTES, at + header, out);
	return true;
}

bool datagram_read(const struct packet *packet, struct datagram *out)
{
	const unsigned char *at = packet->data;
	size_t size;

	if (packet->size < UDP_BYTES)
		return false;
	size = bytes_16(at + 4);
	/* Several in one: the length is that of one, or of all. */
	if (packet->datagram_bytes)
		size = packet->size;
	if (size < UDP_BYTES || size > packet->size)
		return false;
	*out = (struct datagram){ bytes_16(at), bytes_16(at + 2), at + UDP_BYTES, size - UDP_BYTES };
	return true;
}

/* ---- writing ---- */

uint32_t sum_add(uint32_t sum, const unsigned char *bytes, size_t size)
{
	for (; size > 1; size -= 2, bytes += 2)
		sum += bytes_16(bytes);
	if (size)
		sum += (uint32_t) bytes[0] << 8;
	return sum;
}

uint16_t sum_fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t) sum;
}

void ethernet_write(unsigned int type, struct headers *out)
{
	/* The addresses are the link's to fill in. */
	__builtin_memset(out->bytes, 0, VNET_BYTES + ETHERNET_BYTES);
	bytes_put_16(out->bytes + VNET_BYTES + 12, type);
	out->size = VNET_BYTES + ETHERNET_BYTES;
}

/* Returns the sum of the pseudo header. */
static uint32_t write_ip(const struct net_address *from, const struct net_address *to, unsigned int protocol, size_t payload,
			 struct headers *out)
{
	bool ip4 = address_is_4(to);
	unsigned char *at = out->bytes + VNET_BYTES + ETHERNET_BYTES;
	size_t header = ip4 ? IP4_BYTES : IP6_BYTES;
	uint32_t sum;

	ethernet_write(ip4 ? 0x0800 : 0x86dd, out);
	__builtin_memset(at, 0, header);
	if (ip4) {
		at[0] = 0x45;
		bytes_put_16(at + 2, (unsigned int) (payload + header));
		at[6] = 0x40; /* not to be taken apart */
		at[8] = HOPS;
		at[9] = (unsigned char) protocol;
		bytes_put_32(at + 12, address_4(from));
		bytes_put_32(at + 16, address_4(to));
		bytes_put_16(at + 10, (uint16_t) ~sum_fold(sum_add(0, at, IP4_BYTES)));
		sum = sum_add(0, at + 12, 8);
	} else {
		at[0] = 0x60;
		bytes_put_16(at + 4, (unsigned int) payload);
		at[6] = (unsigned char) protocol;
		at[7] = protocol == FRAME_ICMP6 ? 255 : HOPS;
		__builtin_memcpy(at + 8, from, 16);
		__builtin_memcpy(at + 24, to, 16);
		sum = sum_add(0, at + 8, 32);
	}
	out->size += header;
	return sum + protocol + (uint32_t) payload;
}

/* The kernel is to complete the checksum that is at @place of a header that begins where @out ends now. */
static void leave_checksum(struct headers *out, unsigned int place, uint32_t pseudo)
{
	uint16_t start = (uint16_t) (out->size - VNET_BYTES), offset = (uint16_t) place;

	out->bytes[0] = NEEDS_CSUM;
	__builtin_memcpy(out->bytes + 6, &start, 2);
	__builtin_memcpy(out->bytes + 8, &offset, 2);
	bytes_put_16(out->bytes + out->size + place, sum_fold(pseudo));
}

void segment_write(const struct net_address *from, const struct net_address *to, const struct segment *segment, size_t payload,
		   struct headers *out)
{
	size_t header = TCP_BYTES + (segment->mss ? 4 : 0) + (segment->shift >= 0 ? 4 : 0);
	uint32_t sum = write_ip(from, to, FRAME_TCP, header + payload, out);
	unsigned char *at = out->bytes + out->size, *option = at + TCP_BYTES;

	__builtin_memset(at, 0, header);
	bytes_put_16(at, segment->from);
	bytes_put_16(at + 2, segment->to);
	bytes_put_32(at + 4, segment->seq);
	bytes_put_32(at + 8, segment->ack);
	at[12] = (unsigned char) (header / 4 << 4);
	at[13] = segment->flags;
	bytes_put_16(at + 14, segment->window);
	if (segment->mss) {
		bytes_put_16(option, 0x0204);
		bytes_put_16(option + 2, segment->mss);
		option += 4;
	}
	if (segment->shift >= 0)
		bytes_put_32(option, 0x01030300 | (uint32_t) segment->shift);
	leave_checksum(out, TCP_CHECKSUM, sum);
	out->size += header;
}

void datagram_write(const struct net_endpoint *from, const struct net_endpoint *to, size_t payload, struct headers *out)
{
	uint32_t sum = write_ip(&from->address, &to->address, FRAME_UDP, UDP_BYTES + payload, out);
	unsigned char *at = out->bytes + out->size;

	bytes_put_16(at, from->port);
	bytes_put_16(at + 2, to->port);
	bytes_put_16(at + 4, (unsigned int) (UDP_BYTES + payload));
	leave_checksum(out, UDP_CHECKSUM, sum);
	out->size += UDP_BYTES;
}

void icmp_write(const struct net_address *from, const struct net_address *to, unsigned char *message, size_t size, struct headers *out)
{
	uint32_t sum = write_ip(from, to, address_is_4(to) ? FRAME_ICMP : FRAME_ICMP6, size, out);

	if (address_is_4(to))
		sum = 0;
	bytes_put_16(message + 2, 0);
	bytes_put_16(message + 2, (uint16_t) ~sum_fold(sum_add(sum, message, size)));
}
