using Masquerade.Core.Flow;

namespace Masquerade.Core.Engine;

/// <summary>
/// What clients may do, as the FAM asks it. A policy is known by a number that whoever implements this chooses. What the FAM has asked about a connection it keeps until it is told that the
/// policy has changed.
/// </summary>
public interface IClientFilter
{
    /// <summary>The policy of a client of which it is not known what it may do: nothing passes, and what it has goes on as soon as it is known (<c>NotAuthenticated</c>).</summary>
    public const int Unknown = 0;

    /// <summary>The same, but it is being asked for: packets wait, in a bounded queue and not for long.</summary>
    public const int Awaited = -1;

    /// <summary>The policy of a client that appears; <see cref="Unknown"/> or <see cref="Awaited"/> if it is not known.</summary>
    int PolicyOf(MacAddress client);

    /// <summary>What becomes of a connection. Not asked about <see cref="Unknown"/> and <see cref="Awaited"/>. Must not allocate.</summary>
    /// <param name="policy">The client's policy.</param>
    /// <param name="tuple">Who opens it (source) to whom (destination); the client at its own address.</param>
    /// <param name="direction">Which of the two is the client.</param>
    FilterVerdict Judge(int policy, in FlowTuple tuple, FilterDirection direction);

    /// <summary>How fast a limit lets packets pass.</summary>
    /// <param name="policy">The client's policy.</param>
    /// <param name="bucket">The <see cref="FilterVerdict.Bucket"/> of a verdict about it.</param>
    RateLimit LimitOf(int policy, int bucket);
}
