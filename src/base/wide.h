/* BASE_WIDE before a function whose loops run over many octets: where compiler and C library can,
 * it is compiled again for processors with wider registers, and the one that fits is chosen when
 * the program starts. It changes nothing but the time that it takes. */
#pragma once

#include <glib.h>

#if defined(__x86_64__) && defined(__GLIBC__) && defined(__has_attribute)
#if __has_attribute(target_clones)
#define BASE_WIDE __attribute__ ((target_clones ("avx2", "default")))
#endif
#endif

#ifndef BASE_WIDE
#define BASE_WIDE
#endif
