using System.ComponentModel.DataAnnotations;
using Masquerade.Configuration;
using Masquerade.Core.Flow;
using Masquerade.Pki;
using Masquerade.Pki.Channel;

namespace Masquerade.RoamingCoordinator.Server;

/// <summary>How agents are let in over TLS: the object <c>tls</c>.</summary>
internal sealed record TlsSettings
{
    public required TlsFiles Files { get; init; }

    /// <summary>How long a connection may take until it is secured.</summary>
    [Range(100, 60_000)]
    public TimeSpan HandshakeTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Handshakes in progress, in all.</summary>
    [Range(1, 100_000)]
    public int MaxHandshakes { get; init; } = 256;

    /// <summary>Handshakes in progress per address (IPv6: per /64).</summary>
    [Range(1, 100_000)]
    public int MaxHandshakesPerAddress { get; init; } = 32;

    /// <summary>How often the files are looked at, and the certificates of agents that are connected.</summary>
    [Range(50, 3_600_000)]
    public TimeSpan ReloadInterval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How many days before its end a certificate is warned about.</summary>
    [Range(1, 3_650)]
    public int WarnDays { get; init; } = 30;

    /// <summary>Reads the object; null if it is not there.</summary>
    public static TlsSettings? Read(ConfigObject root)
    {
        var present = root.Has("tls");
        var section = root.Object("tls");
        if (!present)
        {
            return null;
        }

        var settings = new TlsSettings { Files = TlsFiles.Read(section) };
        OptionGroup.Read(section, settings);
        return settings;
    }

    /// <summary>Reads the files. Null, and every mistake, if they cannot be used.</summary>
    public CredentialStore? Open(NodeId name, List<ConfigMistake> mistakes)
    {
        var files = new CredentialFiles(Files.Ca, Files.Certificate, Files.Key, Files.Crl);
        var store = CredentialStore.Open(files, new SiteIdentity(SiteRole.Coordinator, name), TimeSpan.FromDays(WarnDays), TimeProvider.System, out var problems);
        mistakes.AddRange(problems.Select(p => new ConfigMistake("tls." + p.Key, p.Value, p.Allowed)));
        return store;
    }
}
