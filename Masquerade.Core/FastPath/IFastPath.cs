using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.Core.FastPath;

/// <summary>
/// What passes packets of connections past the engines, which have decided about them: the kernel, or hardware. The engine says what holds no longer before it does anything on the strength of the
/// change, and reads out what has passed before it judges a connection by its use. Called on the engines' thread alone.
/// </summary>
public interface IFastPath
{
    /// <summary>Told before a connection passes no more for want of room, with the engine's number for it.</summary>
    Action<int>? Leaving { get; set; }

    /// <summary>Packets of a connection may pass as this one did, until it is said that they may not. It may be declined, for want of room above all.</summary>
    /// <param name="way">How the packet was, and what became of it.</param>
    void Offer(in PassingWay way);

    /// <summary>No packet of a client passes any more unless it is offered again.</summary>
    /// <param name="client">The FAM engine's number for the client.</param>
    void Void(int client);

    /// <summary>No packet passes any more unless it is offered again.</summary>
    void VoidAll();

    /// <summary>The engine has begun anew, with empty tables.</summary>
    void Clear();

    /// <summary>A connection has changed or ended. What has passed and was not taken is lost; the number may be another connection's from now on.</summary>
    /// <param name="connection">The FAM engine's number for the connection.</param>
    void Forget(int connection);

    /// <summary>What has passed in one direction since it was taken last. False: nothing.</summary>
    /// <param name="connection">The FAM engine's number for the connection.</param>
    /// <param name="toClient">The direction.</param>
    /// <param name="passed">What has passed.</param>
    bool TryTake(int connection, bool toClient, out PassedPackets passed);
}

/// <summary>One direction of a connection, by a packet that an engine has passed.</summary>
/// <param name="Connection">The FAM engine's number for the connection.</param>
/// <param name="Client">Its number for the client.</param>
/// <param name="Owner">The client.</param>
/// <param name="ToClient">Whether the packet is for the client; else it is from it.</param>
/// <param name="Before">Endpoints of the packet as it came.</param>
/// <param name="After">As it goes: one of the two has changed.</param>
/// <param name="NextHop">Whom the frame is for.</param>
public readonly record struct PassingWay(int Connection, int Client, MacAddress Owner, bool ToClient, FlowTuple Before, FlowTuple After, MacAddress NextHop);

/// <summary>Packets that have passed.</summary>
/// <param name="Packets">How many; a super-packet is one.</param>
/// <param name="Octets">Octets of their IP packets.</param>
/// <param name="Last">When the last one passed, to a few milliseconds.</param>
/// <param name="Acknowledged">TCP: the acknowledgment number of the last one.</param>
/// <param name="Window">TCP: its window, unscaled.</param>
public readonly record struct PassedPackets(long Packets, long Octets, Instant Last, uint Acknowledged, ushort Window);
