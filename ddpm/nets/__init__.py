"""The networks, written in Keras 3: functions (x_t, t, condition) -> prediction.

config.py       `UNetConfig`: everything that decides a U-Net
layers.py       normalisation, residual, attention, down, up and time layers
unet.py         the attention U-Net, its blocks named in0 ... mid ... out3
mp_unet.py      the magnitude-preserving U-Net (EDM2); its layers in mp_layers.py
vae.py          the autoencoder
conditioner.py  conditions to what the blocks take in: a vector and tokens
text.py         the text encoder
identity.py     a face's vector to tokens
control.py      the control branch (ControlNet)
adapters.py     adapters: matrices added to kernels (LoRA, LoCon), light ones among them
lidb.py         what the numbers of a light adapter mean (LiDB)
tokens.py       a network whose table of words is learned in part: textual inversion
ranks.py        ranks of adapters by block
attention_maps.py   what attention layers look at, for a lecture
hyper.py        the hypernetwork: features of a face to the numbers of a light adapter
"""
