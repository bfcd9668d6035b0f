namespace Masquerade.Auth.Keys;

/// <summary>
/// Fills a buffer with random octets. Shells pass the system's generator (<c>RandomNumberGenerator.Fill</c>), simulations one that replays from its seed. Keys, nonces and initial
/// vectors are as good as this source.
/// </summary>
/// <param name="destination">All of it is overwritten.</param>
public delegate void FillRandom(Span<byte> destination);
