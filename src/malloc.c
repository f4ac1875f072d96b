/* How glibc's malloc, which RocksDB and librdkafka allocate from, keeps memory.
 *
 * By default it opens up to eight arenas per processor, and once a large block was freed it stops
 * giving blocks of that size back to the system. RocksDB's row buffers and merges are such blocks,
 * on threads of their own: a sixth of the resident memory was freed memory that nobody could use.
 * Whoever sets glibc's own environment variables for this is left alone. */

#include <stdlib.h>

#ifdef __GLIBC__
#include <malloc.h>

__attribute__((constructor)) static void keep_little(void) {
  if (!getenv("MALLOC_ARENA_MAX"))
    mallopt(M_ARENA_MAX, 2);
  if (!getenv("MALLOC_MMAP_THRESHOLD_"))
    mallopt(M_MMAP_THRESHOLD, 128 * 1024);
}
#endif
