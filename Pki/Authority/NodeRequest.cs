namespace Masquerade.Pki.Authority;

/// <summary>A node's own key and its request for a certificate.</summary>
public static class NodeRequest
{
    /// <summary>The request's file name.</summary>
    public const string RequestName = "request.pem";

    /// <summary>Makes a key and a request in a folder, and says where they are.</summary>
    /// <exception cref="PkiException">There is a key already.</exception>
    public static (string RequestPath, string KeyPath) Write(string folder, SiteIdentity identity)
    {
        var keyPath = Path.Combine(folder, PkiDirectory.KeyName);
        if (File.Exists(keyPath))
        {
            throw new PkiException($"{keyPath} is there already; a key is not overwritten");
        }

        PkiFiles.CreateFolder(folder, isSecret: true);
        var (request, key) = SiteAuthority.Ask(identity);
        PkiFiles.WriteKey(keyPath, key + "\n");
        var requestPath = Path.Combine(folder, RequestName);
        PkiFiles.WritePublic(requestPath, request + "\n");
        return (requestPath, keyPath);
    }
}
