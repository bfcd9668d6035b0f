using System.Buffers.Binary;
using System.Globalization;
using Masquerade.Core.Flow;
using StackExchange.Redis;

namespace Masquerade.RoamingCoordinator.Redis;

/// <summary>
/// The names of keys. In a cluster the part in braces chooses the slot: all that is one client's is in one, all claims on one address are in one, all lists of one node are in one.
/// </summary>
internal sealed class RedisKeys(string prefix)
{
    /// <summary>A node's clients are listed in so many sets: small ones are stored compactly.</summary>
    public const int Shards = 16;

    public string ClientPrefix { get; } = prefix + "c:";

    public RedisKey Incarnation { get; } = prefix + "{store}:incarnation";

    public RedisKey Masters { get; } = prefix + "{store}:masters";

    /// <summary>A client's record: 8 octets version, then the record.</summary>
    public RedisKey Client(MacAddress client) => string.Create(CultureInfo.InvariantCulture, $"{ClientPrefix}{{{client.Value:x12}}}");

    public bool TryParseClient(string key, out MacAddress client)
    {
        client = default;
        if (key.Length != ClientPrefix.Length + 14 || !ulong.TryParse(key.AsSpan(ClientPrefix.Length + 1, 12), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value))
        {
            return false;
        }

        client = new MacAddress(value);
        return true;
    }

    /// <summary>Claims on 256 neighbouring endpoints of one address: a hash from the port's low octet, and the server of a mapping for one, to client and ticket.</summary>
    public RedisKey Bucket(MappingId mapping) =>
        string.Create(CultureInfo.InvariantCulture, $"{prefix}e:{{{mapping.Masquerade.Address}}}:{(int)mapping.Protocol:x}{mapping.Masquerade.Port >> 8:x2}");

    public static RedisValue Field(MappingId mapping)
    {
        if (!mapping.IsOfServer)
        {
            return new[] { (byte)mapping.Masquerade.Port };
        }

        var server = mapping.Server;
        var field = new byte[server.Address.IsIPv4 ? 7 : 19];
        field[0] = (byte)mapping.Masquerade.Port;
        BinaryPrimitives.WriteUInt16BigEndian(field.AsSpan(1), server.Port);
        server.Address.WriteTo(field.AsSpan(3));
        return field;
    }

    /// <summary>The clients that a node anchors or serves, or did, one part of <see cref="Shards"/>: a set of MAC addresses as numbers.</summary>
    public RedisKey Clients(NodeId node, int shard) => string.Create(CultureInfo.InvariantCulture, $"{prefix}n:{{{node.Name}}}:{shard:x}");

    public RedisKey Clients(NodeId node, MacAddress client) => Clients(node, (int)(client.Value % Shards));

    /// <summary>Where a node is connected.</summary>
    public RedisKey Node(NodeId node) => $"{prefix}p:{{{node.Name}}}";

    /// <summary>The names of all nodes.</summary>
    public RedisKey Nodes => prefix + "{store}:nodes";

    /// <summary>Addresses that have moved: a hash from the address to who owns it.</summary>
    public RedisKey Addresses => prefix + "{store}:addresses";

    /// <summary>Grows with every change of <see cref="Addresses"/>.</summary>
    public RedisKey AddressesVersion => prefix + "{store}:addresses:version";

    /// <summary>The names of the nodes at which nothing is to be anchored.</summary>
    public RedisKey Drained => prefix + "{store}:drained";

    /// <summary>Which client has which address of the pool, and until when.</summary>
    public RedisKey Leases => prefix + "{pool}:leases";

    /// <summary>Which address a client has.</summary>
    public RedisKey LeaseHolders => prefix + "{pool}:clients";

    public static byte[] Claim(MacAddress client, ulong ticket)
    {
        var claim = new byte[10];
        client.WriteTo(claim);
        BinaryPrimitives.WriteUInt32BigEndian(claim.AsSpan(6), (uint)ticket);
        return claim;
    }

    /// <summary>Reads a claim; null if it is none.</summary>
    public static EndpointClaim? ReadClaim(MappingId mapping, byte[]? claim) =>
        claim is { Length: 10 } ? new EndpointClaim(mapping, MacAddress.FromBytes(claim.AsSpan(0, 6)), BinaryPrimitives.ReadUInt32BigEndian(claim.AsSpan(6))) : null;
}
