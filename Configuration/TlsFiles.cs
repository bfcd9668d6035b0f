using System.Text.Json;

namespace Masquerade.Configuration;

/// <summary>The files of a program that speaks TLS; the same keys in every program.</summary>
/// <param name="Ca">Certificates of the site's authorities.</param>
/// <param name="Certificate">The program's own certificate.</param>
/// <param name="Key">Its private key.</param>
/// <param name="Crl">Revocation lists; empty if there are none.</param>
public sealed record TlsFiles(string Ca, string Certificate, string Key, string Crl)
{
    /// <summary>What is said where TLS is missing.</summary>
    public const string Allowed = "an object with ca, certificate, key and crl (\"masq pki\" makes the files), or \"insecure\": true for plain text";

    private const string PathText = "the path of a PEM file";

    /// <summary>Takes the files from the object <c>tls</c>.</summary>
    public static TlsFiles Read(ConfigObject tls) => new(
        tls.Required("ca", Values.Text, PathText, string.Empty),
        tls.Required("certificate", Values.Text, PathText, string.Empty),
        tls.Required("key", Values.Text, PathText, string.Empty),
        tls.Optional("crl", Values.Text, PathText, string.Empty));

    /// <summary>Writes the files as they are read.</summary>
    public void Write(Utf8JsonWriter writer)
    {
        writer.WriteString("ca", Ca);
        writer.WriteString("certificate", Certificate);
        writer.WriteString("key", Key);
        if (Crl.Length > 0)
        {
            writer.WriteString("crl", Crl);
        }
    }
}
