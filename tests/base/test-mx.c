/* Which hosts take the mail of a domain: order, null MX, loops, names and literals, and what a
 * hostile answer is cut down to. */
#include "base/mx.h"

#include <string.h>

#include "base/address.h"

static const gchar *
host_at (const GArray *list, guint index)
{
  return g_array_index (list, BaseMx, index).host;
}

static void
add_address (GArray *list, guint index, const gchar *text)
{
  BaseEndpoint endpoint;

  g_assert_true (base_endpoint_parse (text, &endpoint, NULL));
  g_array_append_val (g_array_index (list, BaseMx, index).addresses, endpoint);
}

static void
test_order (void)
{
  g_autoptr (GArray) list = base_mx_list_new ();

  base_mx_list_add (list, 20, 1, "c.test");
  base_mx_list_add (list, 10, 9, "b.test");
  base_mx_list_add (list, 10, 3, "A.test.");
  g_assert_cmpint (base_mx_list_arrange (list, NULL), ==, BASE_MX_FINE);
  g_assert_cmpuint (list->len, ==, 3);
  g_assert_cmpstr (host_at (list, 0), ==, "a.test");
  g_assert_cmpstr (host_at (list, 1), ==, "b.test");
  g_assert_cmpstr (host_at (list, 2), ==, "c.test");
}

static void
test_none_and_null (void)
{
  g_autoptr (GArray) list = base_mx_list_new ();

  g_assert_cmpint (base_mx_list_arrange (list, NULL), ==, BASE_MX_NONE);
  base_mx_list_add (list, 0, 0, ".");
  g_assert_cmpint (base_mx_list_arrange (list, NULL), ==, BASE_MX_NULL);
  base_mx_list_add (list, 10, 0, "a.test");
  g_assert_cmpint (base_mx_list_arrange (list, NULL), ==, BASE_MX_FINE);
  g_assert_cmpuint (list->len, ==, 1);
  g_assert_cmpstr (host_at (list, 0), ==, "a.test");
}

static void
test_bad_names (void)
{
  g_autoptr (GArray) list = base_mx_list_new ();

  base_mx_list_add (list, 1, 0, "a..test");
  base_mx_list_add (list, 1, 0, "[127.0.0.1]");
  base_mx_list_add (list, 1, 0, "a b.test");
  base_mx_list_add (list, 1, 0, "");
  g_assert_cmpint (base_mx_list_arrange (list, NULL), ==, BASE_MX_BAD);
}

static void
test_bound (void)
{
  g_autoptr (GArray) list = base_mx_list_new ();

  for (guint i = 1000; i > 0; i--)
    {
      g_autofree gchar *name = g_strdup_printf ("mx%u.test", i);
      base_mx_list_add (list, i, 0, name);
    }
  g_assert_cmpint (base_mx_list_arrange (list, NULL), ==, BASE_MX_FINE);
  g_assert_cmpuint (list->len, ==, BASE_MX_MOST);
  g_assert_cmpstr (host_at (list, 0), ==, "mx1.test");
  g_assert_cmpstr (host_at (list, BASE_MX_MOST - 1), ==, "mx8.test");
}

static void
test_own_name (void)
{
  g_autoptr (GArray) list = base_mx_list_new ();

  base_mx_list_add (list, 10, 0, "best.test");
  base_mx_list_add (list, 20, 1, "equal.test");
  base_mx_list_add (list, 20, 2, "US.test");
  base_mx_list_add (list, 30, 0, "worse.test");
  g_assert_cmpint (base_mx_list_arrange (list, "us.test"), ==, BASE_MX_FINE);
  g_assert_cmpuint (list->len, ==, 1);
  g_assert_cmpstr (host_at (list, 0), ==, "best.test");
  g_assert_cmpint (base_mx_list_arrange (list, "best.test"), ==, BASE_MX_LOOP);
}

/* Beyond those that are looked up, ourselves are still seen. */
static void
test_own_name_far_down (void)
{
  g_autoptr (GArray) list = base_mx_list_new ();

  for (guint i = 0; i < 100; i++)
    base_mx_list_add (list, 10, i, i == 99 ? "us.test" : "other.test");
  g_assert_cmpint (base_mx_list_arrange (list, "us.test"), ==, BASE_MX_LOOP);
}

static gboolean
is_ours (const BaseEndpoint *endpoint, gpointer data)
{
  g_autofree gchar *text = base_endpoint_to_string (endpoint);

  return g_str_equal (text, data);
}

static void
test_own_address (void)
{
  g_autoptr (GArray) list = base_mx_list_new ();

  base_mx_list_add (list, 10, 0, "a.test");
  base_mx_list_add (list, 20, 0, "b.test");
  base_mx_list_add (list, 20, 1, "c.test");
  g_assert_cmpint (base_mx_list_arrange (list, NULL), ==, BASE_MX_FINE);
  add_address (list, 0, "192.0.2.1:25");
  add_address (list, 1, "192.0.2.2:25");
  add_address (list, 2, "192.0.2.3:25");
  g_assert_false (base_mx_list_leave_own (list, is_ours, (gpointer) "192.0.2.3:2525"));
  g_assert_cmpuint (list->len, ==, 3);
  g_assert_false (base_mx_list_leave_own (list, is_ours, (gpointer) "192.0.2.3:25"));
  g_assert_cmpuint (list->len, ==, 1);
  g_assert_true (base_mx_list_leave_own (list, is_ours, (gpointer) "192.0.2.1:25"));
}

static void
test_families (void)
{
  static const gchar *const given[]
      = { "192.0.2.1:25", "192.0.2.2:25", "192.0.2.3:25", "[::1]:25" };
  static const gchar *const wanted[][4]
      = { { "192.0.2.1:25", "[::1]:25", "192.0.2.2:25", "192.0.2.3:25" },
          { "[::1]:25", "192.0.2.1:25", "192.0.2.2:25", "192.0.2.3:25" } };

  for (guint first = 0; first < 2; first++)
    {
      g_autoptr (GArray) list = base_mx_list_new ();
      GArray *addresses;

      base_mx_list_add (list, 0, 0, "a.test");
      for (guint i = 0; i < 4; i++)
        add_address (list, 0, given[i]);
      addresses = g_array_index (list, BaseMx, 0).addresses;
      base_mx_mix_families (addresses, first == 1);
      for (guint i = 0; i < 4; i++)
        {
          g_autofree gchar *text
              = base_endpoint_to_string (&g_array_index (addresses, BaseEndpoint, i));
          g_assert_cmpstr (text, ==, wanted[first][i]);
        }
    }
}

static void
test_literals (void)
{
  static const struct
  {
    const gchar *domain, *address;
  } cases[] = {
    { "[192.0.2.1]", "192.0.2.1" },
    { "[IPv6:2001:db8::1]", "2001:db8::1" },
    { "[ipv6:::1]", "::1" },
    { "[IPv6:::ffff:192.0.2.1]", "::ffff:192.0.2.1" },
    { "[192.0.2.256]", NULL },
    { "[192.0.2]", NULL },
    { "[::1]", NULL },
    { "[IPv6:192.0.2.1]", NULL },
    { "[x400:abc]", NULL },
    { "[]", NULL },
    { "[192.0.2.1", NULL },
  };
  gchar *address;

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_assert_true (base_mx_literal (cases[i].domain, &address));
      g_assert_cmpstr (address, ==, cases[i].address);
      g_free (address);
    }
  g_assert_false (base_mx_literal ("example.org", &address));
  g_assert_null (address);
}

static void
check_domain (const gchar *domain, const gchar *wanted)
{
  g_autofree gchar *name = base_mx_domain (domain);

  g_assert_cmpstr (name, ==, wanted);
}

static void
test_domains (void)
{
  g_autofree gchar *label = g_strnfill (63, 'a');
  g_autofree gchar *longer = g_strnfill (64, 'a');
  g_autofree gchar *fits = g_strdup_printf ("%s.%s.%s.%.61s", label, label, label, label);
  g_autofree gchar *beyond = g_strdup_printf ("%s.%s.%s.%.62s", label, label, label, label);

  check_domain ("Example.ORG.", "example.org");
  check_domain ("bücher.example", "xn--bcher-kva.example");
  check_domain ("BÜCHER.example", "xn--bcher-kva.example");
  check_domain ("_dmarc.example.org", "_dmarc.example.org");
  check_domain ("[IPv6:2001:DB8::1]", "[ipv6:2001:db8::1]");
  check_domain (label, label);
  check_domain (longer, NULL);
  g_assert_cmpuint (strlen (fits), ==, BASE_MX_NAME);
  check_domain (fits, fits);
  check_domain (beyond, NULL);
  check_domain (".", NULL);
  check_domain ("", NULL);
}

static void
check_wire (const gchar *wire, gsize length, const gchar *wanted)
{
  g_autofree guint8 *bytes = g_memdup2 (wire, MAX (length, 1));
  g_autofree gchar *name = base_mx_name (bytes, length);

  g_assert_cmpstr (name, ==, wanted);
}

#define WIRE(text, wanted) check_wire (text, sizeof text - 1, wanted)

static void
test_wire (void)
{
  gchar longest[256] = "";

  WIRE ("\0", ".");
  WIRE ("\1a\4Test\0", "a.Test");
  WIRE ("", NULL);
  WIRE ("\1a", NULL);
  WIRE ("\1a\4tes", NULL);
  WIRE ("\1a\0\1b\0", NULL);
  WIRE ("\3a.b\0", NULL);
  WIRE ("\3a\0b\0", NULL);
  WIRE ("\300\14", NULL);
  for (guint i = 0; i < 127; i++)
    memcpy (longest + 2 * i, "\1a", 2);
  longest[254] = '\0';
  {
    g_autofree gchar *name = base_mx_name ((const guint8 *) longest, 255);
    g_assert_cmpuint (strlen (name), ==, BASE_MX_NAME);
  }
  {
    guint8 beyond[257];
    memcpy (beyond, longest, 254);
    memcpy (beyond + 254, "\1a", 3);
    g_assert_null (base_mx_name (beyond, sizeof beyond));
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/base/mx/order", test_order);
  g_test_add_func ("/base/mx/none-and-null", test_none_and_null);
  g_test_add_func ("/base/mx/bad-names", test_bad_names);
  g_test_add_func ("/base/mx/bound", test_bound);
  g_test_add_func ("/base/mx/own-name", test_own_name);
  g_test_add_func ("/base/mx/own-name-far-down", test_own_name_far_down);
  g_test_add_func ("/base/mx/own-address", test_own_address);
  g_test_add_func ("/base/mx/families", test_families);
  g_test_add_func ("/base/mx/literals", test_literals);
  g_test_add_func ("/base/mx/domains", test_domains);
  g_test_add_func ("/base/mx/wire", test_wire);
  return g_test_run ();
}
