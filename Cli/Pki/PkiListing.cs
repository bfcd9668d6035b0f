using System.Globalization;
using System.Text.Json;
using Masquerade.Pki.Authority;

namespace Masquerade.Cli.Pki;

/// <summary>The certificates of a site as a table or as one JSON document.</summary>
internal static class PkiListing
{
    private const string Format = "yyyy-MM-ddTHH:mm:ssZ";

    public static void Write(TextWriter output, PkiDirectory pki, bool json)
    {
        var all = pki.List();
        if (json)
        {
            WriteJson(output, pki, all);
            return;
        }

        output.WriteLine($"{"role",-12} {"name",-24} {"state",-12} {"until",-21} serial");
        foreach (var c in all)
        {
            output.WriteLine($"{Role(c),-12} {c.Identity.Name.Name,-24} {Camel(c.State),-12} {c.NotAfter.ToString(Format, CultureInfo.InvariantCulture),-21} {c.Serial}");
        }
    }

    private static void WriteJson(TextWriter output, PkiDirectory pki, IReadOnlyList<IssuedCertificate> all)
    {
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true }))
        {
            writer.WriteStartObject();
            writer.WriteNumber("version", 1);
            writer.WriteStartArray("authorities");
            foreach (var authority in pki.Authorities())
            {
                writer.WriteStartObject();
                writer.WriteString("subject", authority.Subject);
                writer.WriteString("notBefore", authority.NotBefore.ToUniversalTime().ToString(Format, CultureInfo.InvariantCulture));
                writer.WriteString("notAfter", authority.NotAfter.ToUniversalTime().ToString(Format, CultureInfo.InvariantCulture));
                writer.WriteEndObject();
            }

            writer.WriteEndArray();
            writer.WriteStartArray("certificates");
            foreach (var c in all)
            {
                writer.WriteStartObject();
                writer.WriteString("role", Role(c));
                writer.WriteString("name", c.Identity.Name.Name);
                writer.WriteString("serial", c.Serial);
                writer.WriteString("state", Camel(c.State));
                writer.WriteString("notBefore", c.NotBefore.ToString(Format, CultureInfo.InvariantCulture));
                writer.WriteString("notAfter", c.NotAfter.ToString(Format, CultureInfo.InvariantCulture));
                writer.WriteString("revokedAt", c.RevokedAt?.ToString(Format, CultureInfo.InvariantCulture));
                writer.WriteStartArray("names");
                foreach (var name in c.Names)
                {
                    writer.WriteStringValue(name);
                }

                writer.WriteEndArray();
                writer.WriteEndObject();
            }

            writer.WriteEndArray();
            writer.WriteEndObject();
        }

        output.WriteLine(System.Text.Encoding.UTF8.GetString(buffer.ToArray()));
    }

    private static string Role(IssuedCertificate certificate) => certificate.Identity.Uri.Split(':')[1];

    private static string Camel(CertificateState state) => char.ToLowerInvariant(state.ToString()[0]) + state.ToString()[1..];
}
