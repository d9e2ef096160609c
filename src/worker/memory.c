/* The limit on a worker's memory: the address space, except under the address sanitizer, whose
 * shadow is terabytes of it. There the sanitizer's own count of what is allocated decides, and an
 * allocation beyond ends the process at once. Where the kernel refuses the limit, it is logged. */
#include "worker/memory.h"

#include <errno.h>
#include <sys/resource.h>

#include "base/log.h"

#if defined(__SANITIZE_ADDRESS__)
#define UNDER_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNDER_SANITIZER 1
#endif
#endif

#ifdef UNDER_SANITIZER

#include <stdlib.h>

/* GCC ships the functions without their header. */
size_t __sanitizer_get_current_allocated_bytes (void);
int __sanitizer_install_malloc_and_free_hooks (void (*allocated) (const volatile void *, size_t),
                                               void (*freed) (const volatile void *));

static guint64 most;

static void
on_allocated (const volatile void *block, size_t size)
{
  if (__sanitizer_get_current_allocated_bytes () > most)
    abort ();
}

static void
on_freed (const volatile void *block)
{
}

static gboolean
limit (guint64 octets)
{
  most = octets;
  return __sanitizer_install_malloc_and_free_hooks (on_allocated, on_freed) != 0;
}

#else

static gboolean
limit (guint64 octets)
{
  const struct rlimit space = { octets, octets };

  return setrlimit (RLIMIT_AS, &space) == 0;
}

#endif

void
worker_memory_limit (guint64 octets)
{
  if (octets > 0 && !limit (octets))
    base_log (BASE_LOG_ERROR, "the worker's memory can not be limited: %s", g_strerror (errno));
}
