/* Tests of PROXY headers: every case is read whole, octet by octet and with mail behind it. */
#include "base/proxy.h"

#include <string.h>

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define SOURCE4 "\xc0\x00\x02\x01"
#define SOURCE6 "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
#define PORTS "\x04\x01\x00\x19"

typedef struct
{
  const gchar *bytes;
  gsize length;
  const gchar
      *expected; /* "CLIENT source destination", "UNKNOWN", "LOCAL", or a part of the error */
} Case;

#define CASE(bytes, expected)                                                                      \
  {                                                                                                \
    bytes, sizeof bytes - 1, expected                                                              \
  }

static gchar *
describe (BaseProxyResult result, const BaseProxyHeader *header, const GError *error)
{
  static const gchar *const kinds[] = { "CLIENT", "UNKNOWN", "LOCAL" };

  if (result == BASE_PROXY_BAD)
    return g_strdup (error->message);
  if (header->kind != BASE_PROXY_CLIENT)
    {
      g_assert_cmpuint (header->source.length + header->destination.length, ==, 0);
      return g_strdup (kinds[header->kind]);
    }
  g_autofree gchar *source = base_endpoint_to_string (&header->source);
  g_autofree gchar *destination = base_endpoint_to_string (&header->destination);
  return g_strdup_printf ("%s %s %s", kinds[header->kind], source, destination);
}

/* As whoever reads from a socket: the same start again and again. */
static gchar *
read_bytewise (const gchar *bytes, gsize length, gsize *used)
{
  BaseProxyResult result = BASE_PROXY_MORE;
  BaseProxyHeader header;
  g_autoptr (GError) error = NULL;
  gsize have = 0;

  while (result == BASE_PROXY_MORE && have < length)
    {
      g_autofree guint8 *copy = g_memdup2 (bytes, ++have);
      result = base_proxy_parse (copy, have, &header, used, &error);
    }
  if (result == BASE_PROXY_DONE)
    g_assert_cmpuint (have, ==, *used);
  return result == BASE_PROXY_MORE ? NULL : describe (result, &header, error);
}

static gchar *
read_whole (const gchar *bytes, gsize length, gsize *used)
{
  BaseProxyHeader header;
  g_autoptr (GError) error = NULL;
  BaseProxyResult result = base_proxy_parse ((const guint8 *) bytes, length, &header, used, &error);

  return result == BASE_PROXY_MORE ? NULL : describe (result, &header, error);
}

static void
check (const Case *given)
{
  g_autofree gchar *more = g_malloc (given->length + 6);
  gsize used = 0, used_bytewise = 0, used_with_more = 0;
  g_autofree gchar *whole = read_whole (given->bytes, given->length, &used);
  g_autofree gchar *bytewise = read_bytewise (given->bytes, given->length, &used_bytewise);

  g_assert_nonnull (whole);
  if (strstr (whole, given->expected) != whole)
    g_error ("\"%s\" and not \"%s\"", whole, given->expected);
  g_assert_nonnull (bytewise);
  memcpy (more, given->bytes, given->length);
  memcpy (more + given->length, "EHLO x", 6);
  g_autofree gchar *with_more = read_whole (more, given->length + 6, &used_with_more);
  if (g_ascii_isupper (given->expected[0]))
    {
      g_assert_cmpstr (bytewise, ==, whole);
      g_assert_cmpstr (with_more, ==, whole);
      g_assert_cmpuint (used, ==, given->length);
      g_assert_cmpuint (used_with_more, ==, given->length);
    }
}

static void
test_good (void)
{
  static const Case cases[] = {
    CASE ("PROXY TCP4 192.0.2.1 198.51.100.2 1025 25\r\n", "CLIENT 192.0.2.1:1025 198.51.100.2:25"),
    CASE ("PROXY TCP4 255.255.255.255 0.0.0.0 65535 0\r\n",
          "CLIENT 255.255.255.255:65535 0.0.0.0:0"),
    CASE ("PROXY TCP6 2001:db8::1 ::1 1025 25\r\n", "CLIENT [2001:db8::1]:1025 [::1]:25"),
    CASE ("PROXY TCP6 ::ffff:192.0.2.1 ::1 1025 25\r\n", "CLIENT 192.0.2.1:1025 [::1]:25"),
    CASE ("PROXY UNKNOWN\r\n", "UNKNOWN"),
    CASE ("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
          "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
          "UNKNOWN"), /* the longest line: 107 octets */
    CASE (SIGNATURE "\x21\x11\x00\x0c" SOURCE4 SOURCE4 PORTS, "CLIENT 192.0.2.1:1025 192.0.2.1:25"),
    CASE (SIGNATURE "\x21\x21\x00\x24" SOURCE6 SOURCE6 PORTS,
          "CLIENT [2001:db8::1]:1025 [2001:db8::1]:25"),
    CASE (SIGNATURE "\x21\x11\x00\x13" SOURCE4 SOURCE4 PORTS "\x04\x00\x00\x05\x00\x01x",
          "CLIENT 192.0.2.1:1025 192.0.2.1:25"),
    /* computed by another implementation of CRC32C */
    CASE (SIGNATURE "\x21\x11\x00\x13" SOURCE4 SOURCE4 PORTS "\x03\x00\x04\x57\x7b\x37\x8c",
          "CLIENT 192.0.2.1:1025 192.0.2.1:25"),
    CASE (SIGNATURE "\x21\x00\x00\x00", "UNKNOWN"),
    CASE (SIGNATURE "\x20\x00\x00\x00", "LOCAL"),
    CASE (SIGNATURE "\x20\x00\x00\x04\x04\x00\x01x", "LOCAL"),
    CASE (SIGNATURE "\x20\x11\x00\x0c" SOURCE4 SOURCE4 PORTS, "LOCAL"),
    CASE (SIGNATURE "\x20\x11\x00\x02\x01\x02", "LOCAL"),
    CASE (SIGNATURE "\x20\x77\x00\x02\x01\x02", "LOCAL"),
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    check (&cases[i]);
}

static void
test_bad (void)
{
  static const Case cases[] = {
    CASE ("EHLO client.test\r\n", "no PROXY header: \"EHLO client.test<0D><0A>\""),
    CASE ("PROXX", "no PROXY header: \"PROXX\""),
    CASE ("proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "no PROXY header"),
    CASE ("\r\n\r\n\0\r\nQUIt\n", "no PROXY header"),
    CASE ("\x16\x03\x01", "no PROXY header: \"<16><03><01>\""),
    CASE ("PROXY \r\n", "bad PROXY line"),
    CASE ("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n", "a PROXY line that a bare LF ends"),
    CASE ("PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n", "bad PROXY line"),
    CASE ("PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n", "bad PROXY line"),
    CASE ("PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n", "bad PROXY line"),
    CASE ("PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n", "bad PROXY line"),
    CASE ("PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n",
          "bad PROXY line: \"PROXY TCP4 192.0.2.256 192.0.2.2 1 2\""),
    CASE ("PROXY TCP4 192.0.2.1 ::1 1 2\r\n", "bad PROXY line"),
    CASE ("PROXY TCP6 192.0.2.1 ::1 1 2\r\n", "bad PROXY line"),
    CASE ("PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n", "bad PROXY line"),
    CASE ("PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n", "bad PROXY line"),
    CASE ("PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n", "bad PROXY line"),
    CASE ("PROXY TCP4 192.0.2.1 192.0.2.2 -1 2\r\n", "bad PROXY line"),
    CASE ("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\0\r\n", "bad PROXY line"),
    CASE ("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
          "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 655350\r\n",
          "a PROXY line of over 107 octets"),
    CASE (SIGNATURE "\x11\x11\x00\x0c" SOURCE4 SOURCE4 PORTS, "a PROXY header of no version"),
    CASE (SIGNATURE "\x22\x11\x00\x0c" SOURCE4 SOURCE4 PORTS, "a PROXY header of no version"),
    CASE (SIGNATURE "\x21\x12\x00\x0c" SOURCE4 SOURCE4 PORTS, "a PROXY header of no stream"),
    CASE (SIGNATURE "\x21\x41\x00\x0c" SOURCE4 SOURCE4 PORTS, "a PROXY header of no stream"),
    CASE (SIGNATURE "\x21\x11\x00\x0b" SOURCE4 SOURCE4 "\x04\x01\x00",
          "a PROXY header of no stream"),
    CASE (SIGNATURE "\x21\x21\x00\x0c" SOURCE4 SOURCE4 PORTS, "a PROXY header of no stream"),
    CASE (SIGNATURE "\x21\x11\x00\x0e" SOURCE4 SOURCE4 PORTS "\x04\x00",
          "a PROXY header with a broken extension"),
    CASE (SIGNATURE "\x21\x11\x00\x10" SOURCE4 SOURCE4 PORTS "\x04\x00\x02x",
          "a PROXY header with a broken extension"),
    CASE (SIGNATURE "\x21\x11\x00\x10" SOURCE4 SOURCE4 PORTS "\x03\x00\x01x",
          "a PROXY header with a broken extension"),
    CASE (SIGNATURE "\x21\x11\x00\x13" SOURCE4 SOURCE4 PORTS "\x03\x00\x04\x57\x7b\x37\x8d",
          "a PROXY header whose CRC32C is 0x"),
    CASE (SIGNATURE "\x21\x11\x0f\xf1", "a PROXY header of 4097 octets, over the limit of 4096"),
    CASE (SIGNATURE "\x20\x00\xff\xff", "a PROXY header of 65551 octets, over the limit of 4096"),
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    check (&cases[i]);
}

/* A UNIX client's header, and the longest one. */
static void
test_long (void)
{
  g_autofree gchar *bytes = g_malloc0 (BASE_PROXY_MAX);
  gsize used = 0;

  memcpy (bytes, SIGNATURE "\x21\x31\x00\xd8", 16);
  g_autofree gchar *unix_client = read_bytewise (bytes, 16 + 216, &used);
  g_assert_cmpstr (unix_client, ==, "UNKNOWN");
  g_assert_cmpuint (used, ==, 232);
  g_assert_null (read_whole (bytes, 231, &used));
  memcpy (bytes, SIGNATURE "\x21\x00\x0f\xf0\x04\x0f\xed", 19);
  g_autofree gchar *longest = read_bytewise (bytes, BASE_PROXY_MAX, &used);
  g_assert_cmpstr (longest, ==, "UNKNOWN");
  g_assert_cmpuint (used, ==, BASE_PROXY_MAX);
}

static void
test_cut (void)
{
  static const gchar line[] = "PROXY TCP4 192.0.2.1 198.51.100.2 1025 25\r\n";
  static const gchar binary[] = SIGNATURE "\x21\x11\x00\x0c" SOURCE4 SOURCE4 PORTS;
  gsize used;

  for (gsize i = 0; i < sizeof line - 1; i++)
    g_assert_null (read_whole (line, i, &used));
  for (gsize i = 0; i < sizeof binary - 1; i++)
    g_assert_null (read_whole (binary, i, &used));
}

static void
test_written (void)
{
  static const struct
  {
    const gchar *source, *destination, *expected;
  } cases[] = {
    { "192.0.2.1:1025", "198.51.100.2:25", "CLIENT 192.0.2.1:1025 198.51.100.2:25" },
    { "[2001:db8::1]:1025", "[::1]:25", "CLIENT [2001:db8::1]:1025 [::1]:25" },
    { "[::ffff:192.0.2.1]:1025", "[::ffff:198.51.100.2]:25",
      "CLIENT 192.0.2.1:1025 198.51.100.2:25" },
    { "192.0.2.1:1025", "[::1]:25", "CLIENT 192.0.2.1:1025 0.0.0.0:25" },
    { "[2001:db8::1]:1025", "192.0.2.1:25", "CLIENT [2001:db8::1]:1025 [::]:25" },
    { "[2001:db8::1]:1025", NULL, "CLIENT [2001:db8::1]:1025 [::]:0" },
    { "/run/socket", "/run/other", "UNKNOWN" },
    { NULL, NULL, "LOCAL" },
  };

  for (guint i = 0; i < 2 * G_N_ELEMENTS (cases); i++)
    {
      g_auto (BaseBuffer) out = BASE_BUFFER_INIT;
      BaseEndpoint source = { .length = 0 }, destination = { .length = 0 };
      const gchar *from = cases[i / 2].source, *to = cases[i / 2].destination;
      const gchar *expected = cases[i / 2].expected;
      gsize used = 0;

      g_assert_true (from == NULL || base_endpoint_parse (from, &source, NULL));
      g_assert_true (to == NULL || base_endpoint_parse (to, &destination, NULL));
      base_proxy_write (1 + i % 2, from == NULL ? NULL : &source, &destination, &out);
      g_autofree gchar *read = read_bytewise ((const gchar *) base_buffer_bytes (&out),
                                              base_buffer_length (&out), &used);
      g_assert_cmpuint (used, ==, base_buffer_length (&out));
      g_assert_cmpstr (read, ==,
                       i % 2 == 0 && g_str_equal (expected, "LOCAL") ? "UNKNOWN" : expected);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/base/proxy/good", test_good);
  g_test_add_func ("/base/proxy/bad", test_bad);
  g_test_add_func ("/base/proxy/long", test_long);
  g_test_add_func ("/base/proxy/cut", test_cut);
  g_test_add_func ("/base/proxy/written", test_written);
  return g_test_run ();
}
