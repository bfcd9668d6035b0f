namespace Masquerade.Client.Run;

/// <summary>What <c>masq client</c> is told.</summary>
public sealed record ClientSettings
{
    /// <summary>The environment variable that a password is taken from where there is no file.</summary>
    public const string PasswordVariable = "MASQ_CLIENT_PASSWORD";

    /// <summary>The interface towards the access points.</summary>
    public string Interface { get; init; } = string.Empty;

    /// <summary>The user.</summary>
    public string Identity { get; init; } = string.Empty;

    /// <summary>What is said in the clear instead; empty for the user.</summary>
    public string Anonymous { get; init; } = string.Empty;

    /// <summary>How the user authenticates.</summary>
    public ClientMethod Method { get; init; }

    /// <summary>A PEM file with the authorities of the server.</summary>
    public string AuthorityFile { get; init; } = string.Empty;

    /// <summary>The server's name, or a domain with a dot in front.</summary>
    public string ServerName { get; init; } = string.Empty;

    /// <summary>A PEM file with the user's certificate.</summary>
    public string CertificateFile { get; init; } = string.Empty;

    /// <summary>A PEM file with the key to it.</summary>
    public string KeyFile { get; init; } = string.Empty;

    /// <summary>A file whose first line is the password.</summary>
    public string PasswordFile { get; init; } = string.Empty;

    /// <summary>The TAP interface that is made.</summary>
    public string Tap { get; init; } = "masq0";

    /// <summary>Whether a link that nobody offers to protect is good enough.</summary>
    public bool PlainIsGood { get; init; }

    /// <summary>What is missing or cannot be, in words; empty if nothing is.</summary>
    public IReadOnlyList<string> Mistakes()
    {
        var mistakes = new List<string>();
        Need(Interface, "the interface (--interface)");
        Need(Identity, "the user (--identity)");
        Need(AuthorityFile, "the server's authority (--ca): without it any server would be believed");
        Need(ServerName.TrimStart('.'), "the server's name (--server-name): without it any certificate of the authority would be believed");
        if (Method == ClientMethod.Tls)
        {
            Need(CertificateFile, "the user's certificate (--certificate)");
        }

        return mistakes;

        void Need(string value, string what)
        {
            if (value.Length == 0)
            {
                mistakes.Add($"{what} is missing");
            }
        }
    }
}
