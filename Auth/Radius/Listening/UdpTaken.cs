namespace Masquerade.Auth.Radius;

/// <summary>What becomes of a datagram; neither an answer nor work: it is dropped.</summary>
/// <param name="Answer">What is sent back at once.</param>
/// <param name="Work">What is to be done, beside others; gives what is sent back, null for nothing.</param>
public readonly record struct UdpTaken(byte[]? Answer, Func<CancellationToken, Task<byte[]?>>? Work = null);
