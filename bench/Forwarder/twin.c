// The forwarder's twin: the same tables, the same three rounds and the same rewriting as Masquerade.Core/FastPath, in C. What it measures is the language, not the algorithm; the benchmark compares every octet that comes out.
#include <emmintrin.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { WAYS = 12, BATCH = 32, TCP = 6, UDP = 17 };

typedef struct {
  uint8_t tags[WAYS];
  uint16_t overflow, spare;
  uint32_t numbers[WAYS];
} bucket;

typedef struct {
  uint64_t addresses;
  uint32_t ports, fam_address, masquerade_address;
  uint16_t masquerade_port, fam_port, header_out, transport_out, header_in, transport_in;
  uint32_t client_protocol, generation, client_ack, server_ack;
  uint16_t client_window, server_window, last_out, last_in;
  uint32_t packets_out, packets_in;
} line;

typedef struct {
  uint64_t mac;
  uint32_t generation;
  uint16_t mtu, spare;
} client_line;

typedef struct {
  int32_t offset, length;
  uint64_t source;
  uint16_t segment;
  uint8_t partial, spare;
  int32_t client;
} packet;

typedef struct {
  uint64_t addresses;
  uint32_t ports, protocol;
} key;

typedef struct {
  bucket *buckets;
  line *lines;
  client_line *clients;
  uint32_t mask;
  int uplink_mtu;
  uint64_t secret, second_secret;
} cache;

_Static_assert(sizeof(bucket) == 64 && sizeof(line) == 64 && sizeof(client_line) == 16 && sizeof(packet) == 24 && sizeof(key) == 16, "layouts");

static inline uint16_t fold(uint32_t sum) {
  sum = (sum & 0xFFFF) + (sum >> 16);
  return (uint16_t)(sum + (sum >> 16));
}

static inline uint16_t identity(uint16_t delta) { return delta == 0xFFFF ? 0 : delta; }

static uint16_t delta16(uint16_t from, uint16_t to) { return from == to ? 0 : fold((uint32_t)(uint16_t)~from + to); }

static uint16_t delta32(uint32_t from, uint32_t to) { return fold((uint32_t)delta16((uint16_t)from, (uint16_t)to) + delta16((uint16_t)(from >> 16), (uint16_t)(to >> 16))); }

static inline uint64_t hash_of(const cache *c, key k) {
  unsigned __int128 product = (unsigned __int128)(k.addresses ^ c->secret) * ((((uint64_t)k.protocol << 32) | k.ports) ^ c->second_secret);
  return (uint64_t)(product >> 64) ^ (uint64_t)product;
}

static inline uint8_t tag_of(uint64_t hash) {
  uint8_t tag = (uint8_t)(hash >> 56);
  return tag == 0 ? 1 : tag;
}

static inline uint32_t fits(const bucket *b, uint8_t tag) {
  return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_load_si128((const __m128i *)b->tags), _mm_set1_epi8((char)tag))) & ((1U << WAYS) - 1);
}

static inline key outbound_key(const line *l) { return (key){l->addresses, l->ports, l->client_protocol & 0xFF}; }

static inline key inbound_key(const line *l) {
  return (key){(l->addresses >> 32) | ((uint64_t)l->fam_address << 32), (l->ports >> 16) | ((uint32_t)l->fam_port << 16), l->client_protocol & 0xFF};
}

static inline int same(key a, key b) { return a.addresses == b.addresses && a.ports == b.ports && a.protocol == b.protocol; }

static void insert(cache *c, uint64_t hash, uint32_t number) {
  uint32_t home = (uint32_t)hash & c->mask, stride = (uint32_t)(hash >> 32) | 1;
  for (uint32_t step = 0; step <= c->mask; step++) {
    bucket *b = c->buckets + ((home + step * stride) & c->mask);
    uint32_t room = fits(b, 0);
    if (room) {
      int way = __builtin_ctz(room);
      b->numbers[way] = number;
      b->tags[way] = tag_of(hash);
      return;
    }
    b->overflow++;
  }
}

static void *zeroed(size_t size) {
  void *memory = aligned_alloc(64, size);
  memset(memory, 0, size);
  return memory;
}

cache *twin_create(int capacity, int clients, int uplink_mtu, uint64_t secret, uint64_t second_secret) {
  cache *c = zeroed(64);
  uint32_t buckets = 1;
  while (buckets < (2 * (uint32_t)capacity + 9) / 10) {
    buckets *= 2;
  }
  *c = (cache){zeroed(64UL * buckets), zeroed(64UL * (size_t)capacity), zeroed((16UL * (size_t)clients + 63) / 64 * 64), buckets - 1, uplink_mtu, secret, second_secret};
  return c;
}

void twin_destroy(cache *c) {
  free(c->buckets);
  free(c->lines);
  free(c->clients);
  free(c);
}

void twin_client(cache *c, int client, uint64_t mac, int mtu) { c->clients[client] = (client_line){mac, 1, (uint16_t)mtu, 0}; }

// Addresses and ports as they stand in packets.
void twin_install(cache *c, int number, int client, uint64_t addresses, uint32_t ports, uint32_t protocol, uint32_t masquerade, uint16_t masquerade_port, uint32_t fam, uint16_t fam_port) {
  line *l = c->lines + number;
  uint16_t out = delta32((uint32_t)addresses, masquerade), in = delta32(fam, (uint32_t)addresses);
  *l = (line){.addresses = addresses, .ports = ports, .fam_address = fam, .masquerade_address = masquerade, .masquerade_port = masquerade_port, .fam_port = fam_port,
              .header_out = fold((uint32_t)out + 0xFFFE), .transport_out = identity(fold((uint32_t)out + delta16((uint16_t)ports, masquerade_port))),
              .header_in = fold((uint32_t)in + 0xFFFE), .transport_in = identity(fold((uint32_t)in + delta16(fam_port, (uint16_t)ports))),
              .client_protocol = ((uint32_t)client << 8) | protocol, .generation = c->clients[client].generation};
  insert(c, hash_of(c, outbound_key(l)), (uint32_t)number << 1);
  insert(c, hash_of(c, inbound_key(l)), ((uint32_t)number << 1) | 1);
}

static inline int is_of(const cache *c, key k, uint32_t number, int inbound) {
  const line *l = c->lines + (number >> 1);
  return (int)(number & 1) == inbound && same(inbound ? inbound_key(l) : outbound_key(l), k) && l->generation == c->clients[l->client_protocol >> 8].generation;
}

static __attribute__((noinline)) int find_further(const cache *c, key k, uint64_t hash, int inbound) {
  uint32_t home = (uint32_t)hash & c->mask, stride = (uint32_t)(hash >> 32) | 1;
  for (uint32_t step = 0; step <= c->mask; step++) {
    const bucket *b = c->buckets + ((home + step * stride) & c->mask);
    for (uint32_t fit = fits(b, tag_of(hash)); fit; fit &= fit - 1) {
      uint32_t number = b->numbers[__builtin_ctz(fit)];
      if (is_of(c, k, number, inbound)) {
        return (int)(number >> 1);
      }
    }
    if (b->overflow == 0) {
      break;
    }
  }
  return -1;
}

static inline void find(const cache *c, const key *keys, int count, int inbound, int *numbers) {
  uint64_t hashes[BATCH];
  for (int i = 0; i < count; i++) {
    hashes[i] = hash_of(c, keys[i]);
    __builtin_prefetch(c->buckets + ((uint32_t)hashes[i] & c->mask), 0, 3);
  }
  for (int i = 0; i < count; i++) {
    const bucket *b = c->buckets + ((uint32_t)hashes[i] & c->mask);
    uint32_t fit = fits(b, tag_of(hashes[i]));
    numbers[i] = fit ? (int)b->numbers[__builtin_ctz(fit)] : b->overflow == 0 ? -1 : -2;
    if (numbers[i] >= 0) {
      __builtin_prefetch(c->lines + (numbers[i] >> 1), 0, 3);
    }
  }
  for (int i = 0; i < count; i++) {
    if (numbers[i] != -1) {
      numbers[i] = numbers[i] >= 0 && is_of(c, keys[i], (uint32_t)numbers[i], inbound) ? numbers[i] >> 1 : find_further(c, keys[i], hashes[i], inbound);
    }
  }
}

void twin_find(const cache *c, const key *keys, int count, int inbound, int *numbers) {
  for (int at = 0; at < count; at += BATCH) {
    find(c, keys + at, count - at < BATCH ? count - at : BATCH, inbound, numbers + at);
  }
}

#define LOAD(type, at) ({ type value_; memcpy(&value_, (at), sizeof value_); value_; })
#define STORE(type, at, value) do { type value_ = (value); memcpy((at), &value_, sizeof value_); } while (0)

static inline key key_of(const uint8_t *p, int length) {
  if (length < 28) {
    return (key){0};
  }
  int total = __builtin_bswap16(LOAD(uint16_t, p + 2));
  uint64_t sum = (uint64_t)LOAD(uint32_t, p) + LOAD(uint32_t, p + 4) + LOAD(uint32_t, p + 8) + LOAD(uint32_t, p + 12) + LOAD(uint32_t, p + 16);
  sum = (sum & 0xFFFFFFFF) + (sum >> 32);
  sum = (sum & 0xFFFF) + (sum >> 16);
  sum = (sum & 0xFFFF) + (sum >> 16);
  int ordinary = p[0] == 0x45 && total <= length && LOAD(uint16_t, p + 6) == 0x0040 && p[8] > 1 && sum == 0xFFFF;
  if (p[9] == TCP) {
    int header = length < 40 ? 0 : (p[32] >> 4) * 4;
    ordinary &= header >= 20 && 20 + header <= total && (p[33] & 0x17) == 0x10;
  } else {
    int datagram = __builtin_bswap16(LOAD(uint16_t, p + 24));
    ordinary &= p[9] == UDP && datagram >= 8 && datagram <= total - 20;
  }
  return ordinary ? (key){LOAD(uint64_t, p + 12), LOAD(uint32_t, p + 20), p[9]} : (key){0};
}

static inline int carries(const uint8_t *p, const packet *q, int mtu) {
  if (q->segment == 0) {
    return __builtin_bswap16(LOAD(uint16_t, p + 2)) <= mtu;
  }
  return 20 + (p[9] == TCP ? (p[32] >> 4) * 4 : 8) + q->segment <= mtu;
}

static inline void apply(uint8_t *at, uint16_t delta) {
  uint32_t sum = (uint32_t)(uint16_t)~LOAD(uint16_t, at) + delta;
  STORE(uint16_t, at, (uint16_t)~((sum & 0xFFFF) + (sum >> 16)));
}

static inline void apply_partial(uint8_t *at, uint16_t header) {
  uint32_t sum = (uint32_t)LOAD(uint16_t, at) + identity(fold((uint32_t)header + 1));
  STORE(uint16_t, at, (uint16_t)((sum & 0xFFFF) + (sum >> 16)));
}

static inline void rewrite(uint8_t *p, const packet *q, line *l, uint16_t tick, int inbound) {
  uint16_t header = inbound ? l->header_in : l->header_out, transport = inbound ? l->transport_in : l->transport_out;
  p[8]--;
  apply(p + 10, header);
  if (inbound) {
    STORE(uint32_t, p + 16, (uint32_t)l->addresses);
    STORE(uint16_t, p + 22, (uint16_t)l->ports);
    l->last_in = tick;
    l->packets_in++;
  } else {
    STORE(uint32_t, p + 12, l->masquerade_address);
    STORE(uint16_t, p + 20, l->masquerade_port);
    l->last_out = tick;
    l->packets_out++;
  }
  if (p[9] == TCP) {
    if (q->partial) {
      apply_partial(p + 36, header);
    } else {
      apply(p + 36, transport);
    }
    *(inbound ? &l->server_ack : &l->client_ack) = LOAD(uint32_t, p + 28);
    *(inbound ? &l->server_window : &l->client_window) = LOAD(uint16_t, p + 34);
  } else if (q->partial) {
    apply_partial(p + 26, header);
  } else if (LOAD(uint16_t, p + 26) != 0) {
    apply(p + 26, transport);
    if (LOAD(uint16_t, p + 26) == 0) {
      STORE(uint16_t, p + 26, 0xFFFF);
    }
  }
}

static inline __attribute__((always_inline)) int run(const cache *c, uint8_t *memory, packet *packets, int count, uint16_t tick, int inbound) {
  key keys[BATCH];
  int numbers[BATCH], done = 0;
  for (; count > 0; count -= BATCH, packets += BATCH) {
    int batch = count < BATCH ? count : BATCH;
    for (int i = 0; i < batch; i++) {
      keys[i] = key_of(memory + packets[i].offset, packets[i].length);
    }
    find(c, keys, batch, inbound, numbers);
    for (int i = 0; i < batch; i++) {
      packet *q = packets + i;
      q->client = -1;
      if (numbers[i] >= 0) {
        line *l = c->lines + numbers[i];
        const client_line *client = c->clients + (l->client_protocol >> 8);
        uint8_t *p = memory + q->offset;
        if ((inbound || client->mac == q->source) && carries(p, q, inbound ? client->mtu : c->uplink_mtu)) {
          rewrite(p, q, l, tick, inbound);
          q->client = (int)(l->client_protocol >> 8);
          done++;
        }
      }
    }
  }
  return done;
}

int twin_outbound(const cache *c, uint8_t *memory, packet *packets, int count, uint16_t tick) { return run(c, memory, packets, count, tick, 0); }

int twin_inbound(const cache *c, uint8_t *memory, packet *packets, int count, uint16_t tick) { return run(c, memory, packets, count, tick, 1); }
