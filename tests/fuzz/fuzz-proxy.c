/* Fuzzes the reader of PROXY headers. What is read whole must be read the same octet by octet, and
 * a client's header that is written again must say the same. */
#include "base/proxy.h"

#include <stdint.h>
#include <string.h>

#define LONGEST_INPUT 8192

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static BaseProxyResult
read_copy (const guint8 *data, gsize size, BaseProxyHeader *header, gsize *used)
{
  g_autofree guint8 *copy = g_memdup2 (data, size);
  g_autoptr (GError) error = NULL;
  BaseProxyResult result = base_proxy_parse (copy, size, header, used, &error);

  g_assert ((result == BASE_PROXY_BAD) == (error != NULL));
  g_assert (error == NULL || g_str_is_ascii (error->message));
  g_assert (result != BASE_PROXY_DONE || (*used > 0 && *used <= size));
  return result;
}

static void
check_written (const BaseProxyHeader *header)
{
  for (guint version = 1; version <= 2; version++)
    {
      g_auto (BaseBuffer) out = BASE_BUFFER_INIT;
      BaseProxyHeader again;
      gsize used = 0;

      base_proxy_write (version, &header->source, &header->destination, &out);
      BaseProxyResult result
          = read_copy (base_buffer_bytes (&out), base_buffer_length (&out), &again, &used);
      g_assert (result == BASE_PROXY_DONE && used == base_buffer_length (&out));
      g_assert (base_endpoint_same_host (&header->source, &again.source));
      g_assert (base_endpoint_port (&header->source) == base_endpoint_port (&again.source));
    }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  BaseProxyHeader whole, part;
  gsize used = 0, used_of_part = 0, length = 0;

  if (size > LONGEST_INPUT)
    return 0;
  BaseProxyResult result = read_copy (data, size, &whole, &used), bytewise = BASE_PROXY_MORE;
  while (bytewise == BASE_PROXY_MORE && length < size)
    bytewise = read_copy (data, ++length, &part, &used_of_part);
  g_assert (bytewise == result);
  if (result != BASE_PROXY_DONE)
    return 0;
  g_assert (used == used_of_part && used == length && whole.kind == part.kind);
  if (whole.kind == BASE_PROXY_CLIENT)
    check_written (&whole);
  return 0;
}
