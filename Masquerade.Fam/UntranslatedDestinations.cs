using Masquerade.Core.Flow;

namespace Masquerade.Fam;

/// <summary>
/// Servers to which clients' packets go out under the clients' own addresses (RFC 6888 REQ-6). Looked at when something is opened or nobody knows a packet, never for packets of what is known.
/// </summary>
public sealed class UntranslatedDestinations
{
    /// <summary>The most prefixes: each is looked at for every connection that is opened.</summary>
    public const int MaxPrefixes = 64;

    /// <summary>Everything is translated.</summary>
    public static readonly UntranslatedDestinations None = new([], []);

    private readonly IpPrefix[] _servers;
    private readonly IpPrefix[] _clients;

    /// <summary>A list.</summary>
    /// <param name="servers">Where nothing is translated, either family.</param>
    /// <param name="clients">
    /// The clients' subnets. A client that calls itself anything else is translated wherever it sends to, for no answer would find it; and what clients of these subnets send each other is
    /// not meant by a prefix that happens to hold them.
    /// </param>
    public UntranslatedDestinations(IReadOnlyList<IpPrefix> servers, IReadOnlyList<IpPrefix> clients)
    {
        _servers = [.. servers];
        _clients = [.. clients];
    }

    /// <summary>Whether everything is translated.</summary>
    public bool IsEmpty => _servers.Length == 0;

    /// <summary>Whether what a client sends to a server, and what that sends back, is left as it is.</summary>
    public bool Covers(IpAddress client, IpAddress server) => _servers.Length > 0 && IsIn(_servers, server) && IsIn(_clients, client) && !IsIn(_clients, server);

    /// <summary>Whether servers may know somebody here by this address.</summary>
    public bool ShowsClient(IpAddress address) => _servers.Length > 0 && IsIn(_clients, address);

    private static bool IsIn(IpPrefix[] prefixes, IpAddress address)
    {
        foreach (ref readonly var prefix in prefixes.AsSpan())
        {
            if (prefix.Contains(address))
            {
                return true;
            }
        }

        return false;
    }
}
