/* Dot-stuffing and the end of the data, against a reference that looks at one octet at a time; and
 * that what needs no stuffing is not copied. */
#include "client-driver.h"

#include <string.h>

static void
feed_text (SmtpClient *client, const gchar *text)
{
  smtp_client_feed (client, (const guint8 *) text, strlen (text));
  while (smtp_client_next (client) != NULL)
    ;
  smtp_client_settle (client);
}

/* A machine that has heard 354, with nothing in its output. */
static SmtpClient *
client_in_data (void)
{
  SmtpClient *client = smtp_client_new ("gw", SMTP_CLIENT_TLS_OFF);
  g_autoptr (GByteArray) bytes = g_byte_array_new ();

  feed_text (client, "220 x\r\n");
  feed_text (client, "250 x\r\n");
  smtp_client_data (client, 1);
  feed_text (client, "354 go\r\n");
  client_driver_take_output (client, bytes);
  return client;
}

static GByteArray *
stuff_naively (const guint8 *data, gsize length)
{
  GByteArray *bytes = g_byte_array_new ();
  gboolean at_start = TRUE;

  for (gsize i = 0; i < length; i++)
    {
      if (at_start && data[i] == '.')
        g_byte_array_append (bytes, (const guint8 *) ".", 1);
      g_byte_array_append (bytes, data + i, 1);
      at_start = data[i] == '\n';
    }
  if (length > 0 && data[length - 1] == '\r')
    g_byte_array_append (bytes, (const guint8 *) "\n", 1);
  else if (length > 0 && (length < 2 || memcmp (data + length - 2, "\r\n", 2) != 0))
    g_byte_array_append (bytes, (const guint8 *) "\r\n", 2);
  g_byte_array_append (bytes, (const guint8 *) ".\r\n", 3);
  return bytes;
}

static gboolean
is_undotted (const guint8 *data, gsize length)
{
  return length > 0 && data[0] != '.' && memmem (data, length, "\n.", 2) == NULL;
}

/* Pieces of at most `most` octets; some of the output is taken in between. */
static void
check_stuffing (const guint8 *data, gsize length, GRand *random, guint most)
{
  g_autoptr (SmtpClient) client = client_in_data ();
  g_autoptr (GByteArray) expected = stuff_naively (data, length);
  g_autoptr (GByteArray) bytes = g_byte_array_new ();

  for (gsize at = 0; at < length;)
    {
      gsize piece = g_rand_int_range (random, 1, most + 1);

      piece = MIN (piece, length - at);
      if (is_undotted (data, length))
        smtp_client_body_undotted (client, data + at, piece);
      else
        smtp_client_body (client, data + at, piece);
      if (g_rand_boolean (random))
        client_driver_take_output (client, bytes);
      at += piece;
    }
  smtp_client_end (client, 2);
  client_driver_take_output (client, bytes);
  g_assert_cmpmem (bytes->data, bytes->len, expected->data, expected->len);
}

static void
check_text (const gchar *text)
{
  GRand *random = g_rand_new_with_seed (1);

  check_stuffing ((const guint8 *) text, strlen (text), random, 1);
  check_stuffing ((const guint8 *) text, strlen (text), random, 2);
  check_stuffing ((const guint8 *) text, strlen (text), random, 100000);
  g_rand_free (random);
}

static void
test_forms (void)
{
  static const gchar *const texts[] = {
    "",          ".",           "..",          ".\r\n",       "\r\n",          "\r\n.\r\n",
    "a",         "a\r",         "a\n",         "a\r\n",       "a\r\n.",        "a\r\n.b\r\n..c",
    "a.b\r\n.c", "a.b.\r\nc.d", ".\r\n.\r\n.", "a\n.b\r\n.c", "a\r\n\r\n.\r\n"
  };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    check_text (texts[i]);
}

static void
fill (guint8 *data, gsize length, const gchar *alphabet, GRand *random)
{
  for (gsize i = 0; i < length; i++)
    data[i] = alphabet[g_rand_int_range (random, 0, strlen (alphabet))];
}

static void
test_random (void)
{
  static const gchar *const alphabets[] = { ".\r\n", ".....\r\na", "abcdefghijklmnopqrstuvwxyz.\n",
                                            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n" };
  GRand *random = g_rand_new_with_seed (20261121);
  g_autofree guint8 *data = g_malloc (6000);

  for (guint round = 0; round < 400; round++)
    {
      gsize length = g_rand_int_range (random, 0, round < 300 ? 40 : 6000);

      fill (data, length, alphabets[round % G_N_ELEMENTS (alphabets)], random);
      check_stuffing (data, length, random, round % 3 == 0 ? 3 : 1 + round * 5);
    }
  g_rand_free (random);
}

/* A lone line-opening dot at every place of a few kilobytes of prose: none is lost at the edge of a
 * block. */
static void
test_places (void)
{
  GRand *random = g_rand_new_with_seed (1);
  gsize length = 2300;
  g_autofree gchar *text = g_strnfill (length, 'x');

  text[1] = '.';
  for (gsize i = 2; i + 3 < length; i++)
    {
      memcpy (text + i, "\r\n.", 3);
      check_stuffing ((const guint8 *) text, length, random, 100000);
      memcpy (text + i, "xxx", 3);
    }
  g_rand_free (random);
}

static void
test_borrowed (void)
{
  g_autoptr (SmtpClient) client = client_in_data ();
  gsize length = 100000;
  g_autofree guint8 *data = g_malloc (length);
  struct iovec vector[2];

  memset (data, 'x', length);
  for (gsize i = 78; i < length; i += 78)
    memcpy (data + i - 2, "\r\n", 2);
  smtp_client_body (client, data, length);
  g_assert_cmpuint (base_output_iovec (smtp_client_output (client), vector, 2), ==, 1);
  g_assert_true (vector[0].iov_base == data);
  g_assert_cmpuint (vector[0].iov_len, ==, length);
}

static void
test_twice (void)
{
  g_autoptr (SmtpClient) client = client_in_data ();
  g_autoptr (GByteArray) bytes = g_byte_array_new ();

  smtp_client_body (client, (const guint8 *) "no line end", 11);
  smtp_client_end (client, 2);
  feed_text (client, "250 ok\r\n");
  smtp_client_data (client, 3);
  feed_text (client, "354 go\r\n");
  client_driver_take_output (client, bytes);
  g_byte_array_set_size (bytes, 0);
  smtp_client_body (client, (const guint8 *) ".x\r\n", 4);
  smtp_client_end (client, 4);
  client_driver_take_output (client, bytes);
  g_assert_cmpmem (bytes->data, bytes->len, "..x\r\n.\r\n", 8);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/client-data/forms", test_forms);
  g_test_add_func ("/client-data/random", test_random);
  g_test_add_func ("/client-data/places", test_places);
  g_test_add_func ("/client-data/borrowed", test_borrowed);
  g_test_add_func ("/client-data/twice", test_twice);
  return g_test_run ();
}
