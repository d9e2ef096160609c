/* Bytes of a hostile peer into the three decoders. What decodes must encode, decode again and
 * encode to the same bytes. The first byte chooses the decoder. */
#include <stdint.h>
#include <string.h>

#include "ipc/control.h"
#include "ipc/record.h"
#include "ipc/request.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

typedef gpointer (*Decode) (const guint8 *bytes, gsize length, GArray *descriptors, GError **error);
typedef void (*Encode) (gconstpointer value, BaseBuffer *out, GArray *descriptors);

static const struct
{
  Decode decode;
  Encode encode;
  GDestroyNotify free;
} kinds[] = {
  { (Decode) ipc_request_decode, (Encode) ipc_request_encode, (GDestroyNotify) ipc_request_free },
  { (Decode) ipc_record_decode, (Encode) ipc_record_encode, (GDestroyNotify) ipc_record_free },
  { (Decode) ipc_control_decode, (Encode) ipc_control_encode, (GDestroyNotify) ipc_control_free },
};

static gpointer
decode (guint kind, const BaseBuffer *from)
{
  return kinds[kind].decode (base_buffer_bytes (from), base_buffer_length (from), NULL, NULL);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_auto (BaseBuffer) first = BASE_BUFFER_INIT;
  g_auto (BaseBuffer) second = BASE_BUFFER_INIT;
  g_autoptr (GError) error = NULL;
  guint kind = size == 0 ? 0 : data[0] % G_N_ELEMENTS (kinds);
  gpointer value = NULL;

  if (size < 2)
    return 0;
  value = kinds[kind].decode (data + 1, size - 1, NULL, &error);
  g_assert ((value == NULL) == (error != NULL));
  if (value == NULL)
    return 0;
  kinds[kind].encode (value, &first, NULL);
  kinds[kind].free (value);
  value = decode (kind, &first);
  g_assert (value != NULL);
  kinds[kind].encode (value, &second, NULL);
  kinds[kind].free (value);
  g_assert (base_buffer_length (&first) == base_buffer_length (&second));
  g_assert (
      memcmp (base_buffer_bytes (&first), base_buffer_bytes (&second), base_buffer_length (&first))
      == 0);
  return 0;
}
